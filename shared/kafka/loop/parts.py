"""Divides a large batch by topic partitions into parts that are settled side by side. Pure."""

from collections.abc import Sequence
from typing import Final

from shared.kafka.records import Record

SIDE_BY_SIDE: Final = 3  # transactions; while some wait for Postgres, one computes
_MANY: Final = 300  # records; of fewer, the transactions cost more than the waiting that they save


def parts(records: Sequence[Record]) -> list[list[Record]]:
    """Up to three parts that have no topic partition in common, as alike in size as that allows; of few records one.

    The order within a topic partition stays.
    """
    if len(records) < _MANY:
        return [list(records)]
    by_partition: dict[tuple[str, int], list[Record]] = {}
    for record in records:
        by_partition.setdefault((record.topic, record.partition), []).append(record)
    found: list[list[Record]] = [[] for _ in range(SIDE_BY_SIDE)]
    for some in sorted(by_partition.values(), key=len, reverse=True):
        min(found, key=len).extend(some)
    return [part for part in found if part]
