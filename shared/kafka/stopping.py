"""Stops aiokafka's clients within a time limit, which they do not keep themselves while Kafka is away.

Their own `stop()` waits for Kafka's answers. Cancelled half-way, it leaves tasks behind: a sender that reconnects once
Kafka is back, publishes what was given up and never ends; a fetcher likewise. No public call ends those, so this is the
one place that reaches into aiokafka's internals: review it at each upgrade.
"""
# ruff: noqa: SLF001 - see above

import asyncio
from collections.abc import Coroutine
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import KafkaError

_STOP_S: Final = 5.0


async def stop_producer(producer: AIOKafkaProducer) -> None:
    """Close it. Does not raise, and takes at most some seconds; what was not acknowledged by then is given up."""
    if await _stopped(producer.stop()):
        return
    ending = asyncio.ensure_future(producer._sender.close())  # no new sends from here on
    await _ended(producer.client.close())  # what is in flight fails now instead of at its own time-out
    await asyncio.wait([ending], timeout=_STOP_S)
    await _ended(producer.client.close())  # what the last sends opened


async def stop_consumer(consumer: AIOKafkaConsumer) -> None:
    """Leave the group and close. Does not raise, and takes at most some seconds."""
    if await _stopped(consumer.stop()):
        return
    coordinator, fetcher = consumer._coordinator, consumer._fetcher
    for end in (
        getattr(coordinator, "_stop_heartbeat_task", None),  # a consumer without a group has none
        getattr(coordinator, "_stop_commit_offsets_refresh_task", None),
        fetcher and fetcher.close,
        consumer._client.close,
    ):
        if end:
            await _ended(end())


async def _stopped(stop: Coroutine[Any, Any, None]) -> bool:
    try:
        async with asyncio.timeout(_STOP_S):
            await stop
    except (KafkaError, OSError, TimeoutError):
        return False
    return True


async def _ended(end: Coroutine[Any, Any, None]) -> None:
    """Wait for it, whatever comes of it: a task of aiokafka that was cancelled raises as if we were."""
    done, _ = await asyncio.wait([asyncio.ensure_future(end)], timeout=_STOP_S)
    for each in done:
        if not each.cancelled():
            each.exception()
