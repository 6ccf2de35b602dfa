"""Publishing after commit: what came of a batch goes out while the next one is being folded, and in order.

What is committed and not yet published is published again on assignment, from what is stored; so a mark moves only once
Kafka has acknowledged.
"""

import asyncio
from collections.abc import Mapping, Sequence

from sqlalchemy.ext.asyncio import AsyncEngine

from shared.db import offsets
from shared.db.offsets import TopicPartition
from shared.kafka.producer import Producer
from shared.kafka.records import Outgoing


class Publishing:
    """Publishes the batches of one connection, one after the other, and knows how far each partition is published."""

    def __init__(self, engine: AsyncEngine, producer: Producer) -> None:
        """Nothing is known before `begin`."""
        self._engine = engine
        self._producer = producer
        self._published: dict[TopicPartition, int] = {}
        self._ahead: set[TopicPartition] = set()  # published further than the database says
        self._under_way: asyncio.Task[None] | None = None

    def begin(self, published: Mapping[TopicPartition, int]) -> None:
        """These partitions were adopted; below these offsets all is published."""
        self._published.update(published)

    def published(self, partition: TopicPartition) -> int:
        """Below which offset all of an adopted partition is published."""
        return self._published[partition]

    async def publish(self, outgoing: Sequence[Outgoing], ends: Mapping[TopicPartition, int]) -> None:
        """Begin to publish a committed batch, which ends at these offsets, once the one before is acknowledged.

        Raises Transient when that one failed: nothing may overtake it.
        """
        await self.acknowledged()
        self._under_way = asyncio.create_task(self._send(outgoing, ends))

    async def _send(self, outgoing: Sequence[Outgoing], ends: Mapping[TopicPartition, int]) -> None:
        await self._producer.send_all(outgoing)
        self._published.update(ends)
        self._ahead.update(ends)

    async def acknowledged(self) -> None:
        """Wait until the batch under way is acknowledged. Raises Transient when it is not."""
        task, self._under_way = self._under_way, None
        if task is not None:
            await task

    async def remember(self) -> None:
        """When there is nothing else to do: move the marks, so that a restart has nothing to publish again."""
        await self.acknowledged()
        if self._ahead:
            async with self._engine.begin() as conn:
                await offsets.mark_published(conn, {each: self._published[each] for each in self._ahead})
            self._ahead.clear()

    async def drop(self) -> None:
        """End what is under way, whatever came of it: the marks in the database decide what is published again."""
        task, self._under_way = self._under_way, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def forget(self) -> None:
        """The connection has ended, and with it all that was known."""
        await self.drop()
        self._published.clear()
        self._ahead.clear()

    async def again(self, outgoing: Sequence[Outgoing], partition: TopicPartition, end: int) -> None:
        """Publish once more, in order, what was stored of a partition up to `end`, and remember it."""
        await self._producer.send_all(outgoing)
        async with self._engine.begin() as conn:
            await offsets.mark_published(conn, {partition: end})
