"""Whether a topic partition's log is the one that was read: an offset alone cannot tell a recreated topic."""

import hashlib
from typing import Final, Literal, TypeAlias

from shared.db.tables.offsets import Progress
from shared.kafka.records import Record

Found: TypeAlias = Literal["goes on", "to compare", "lost records", "another log"]

ANEW: Final = "{} is not the log that was read: the topic was recreated, or has lost its end"


def fingerprint(record: Record) -> bytes:
    """Distinguishes a record from any other at its offset: 16 bytes of SHA-256 over timestamp, key and value."""
    digest = hashlib.sha256(record.timestamp.to_bytes(8, signed=True))
    for part in (record.key or b"", record.value):
        digest.update(len(part).to_bytes(8) + part)
    return digest.digest()[:16]


def judge(progress: Progress, *, first: int, end: int) -> Found:
    """How a log with Kafka's offsets `first <= offset < end` relates to this progress.

    `to compare`: the record before the next one must have the stored fingerprint.
    """
    next_one = progress.next_offset - progress.base
    if next_one > end:
        return "another log"
    if next_one < first:
        return "lost records"
    return "to compare" if next_one > first and progress.last_record is not None else "goes on"


def taken_up(progress: Progress, found: Found, *, first: int) -> Progress:
    """Where to resume: at the beginning of another log, or after what retention has dropped."""
    if found == "another log":
        return Progress(progress.next_offset, progress.published, progress.next_offset - first)
    return Progress(first + progress.base, progress.published, progress.base)
