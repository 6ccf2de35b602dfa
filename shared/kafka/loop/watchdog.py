"""Ends the process when there is lag and no progress: aiokafka's consumer may stall silently."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from shared.errors import FirsthourError
from shared.kafka.loop.metrics import LoopMetrics

_LOOK_S: Final = 10.0


class Stalled(FirsthourError):  # noqa: N818 - reads as what happened
    """There is lag and no progress: the process exits, to be restarted by its supervisor."""


async def watch(
    consumer: AIOKafkaConsumer,
    positions: Callable[[], Mapping[TopicPartition, int]],
    moving: Callable[[TopicPartition], bool],
    metrics: LoopMetrics,
    *,
    stalled_s: float,
) -> None:
    """Compare the log's ends with `positions` (next offsets) until cancelled.

    Partitions that are not `moving`, because their lane is halted or a dependency is down, may lag. Raises Stalled when
    the others make no progress for `stalled_s` seconds.
    """
    loop = asyncio.get_running_loop()
    seen: dict[TopicPartition, int] = {}
    since = loop.time()
    while True:
        await asyncio.sleep(min(_LOOK_S, stalled_s / 4))
        with contextlib.suppress(KafkaError, OSError, TimeoutError):
            async with asyncio.timeout(_LOOK_S):
                ends = await consumer.end_offsets(list(consumer.assignment()))
            now = positions()
            lag = {partition: max(0, end - now[partition]) for partition, end in ends.items() if partition in now}
            metrics.lag({partition: ends[partition] for partition in lag}, now)
            behind = sum(records for partition, records in lag.items() if moving(partition))
            now = {partition: position for partition, position in now.items() if moving(partition)}
            if now != seen or not behind:
                seen, since = now, loop.time()
            elif loop.time() - since > stalled_s:
                raise Stalled(f"{behind} records behind and none done in {stalled_s:.0f} s")
