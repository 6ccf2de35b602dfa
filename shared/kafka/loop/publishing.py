"""Publishing after commit: the results of a batch go out, in order, while the next batch is processed.

What is committed and not known to be published is republished on assignment, from what is stored; so the mark moves
only once Kafka has acknowledged.
"""

import asyncio
from collections.abc import Mapping, Sequence

from sqlalchemy.ext.asyncio import AsyncEngine

from shared.db.tables import offsets
from shared.db.tables.offsets import TopicPartition
from shared.kafka.producer import Producer
from shared.kafka.records import Outgoing


class Publishing:
    """Publishes the batches of one connection in order, and knows how far each topic partition is published."""

    def __init__(self, engine: AsyncEngine, producer: Producer) -> None:
        """Nothing is known before `begin`."""
        self._engine = engine
        self._single = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._producer = producer
        self._published: dict[TopicPartition, int] = {}
        self._ahead: set[TopicPartition] = set()  # published further than the database knows
        self._under_way: asyncio.Task[None] | None = None

    def begin(self, published: Mapping[TopicPartition, int]) -> None:
        """These partitions were adopted; everything below these offsets is published."""
        self._published.update(published)

    def published(self, partition: TopicPartition) -> int:
        """The offset below which everything of an adopted partition is published."""
        return self._published[partition]

    async def publish(self, outgoing: Sequence[Outgoing], ends: Mapping[TopicPartition, int]) -> None:
        """Start publishing a committed batch that ends at these offsets, once the one before is acknowledged.

        Raises Transient when that one failed: nothing may overtake it.
        """
        await self.acknowledged()
        self._under_way = asyncio.create_task(self._send(outgoing, ends))

    def settled(self, ends: Mapping[TopicPartition, int]) -> None:
        """Of a committed batch there is nothing to publish, and its marks were stored with its offsets."""
        self._published.update(ends)
        self._ahead.difference_update(ends)

    async def _send(self, outgoing: Sequence[Outgoing], ends: Mapping[TopicPartition, int]) -> None:
        await self._producer.send_all(outgoing)
        self._published.update(ends)
        self._ahead.update(ends)

    async def acknowledged(self) -> None:
        """Wait until the batch in flight is acknowledged. Raises Transient when it fails."""
        task, self._under_way = self._under_way, None
        if task is not None:
            await task

    async def remember(self) -> None:
        """When idle: move the stored marks, so that a restart has nothing to republish."""
        await self.acknowledged()
        if self._ahead:
            async with self._single.connect() as conn:
                await offsets.mark_published(conn, {each: self._published[each] for each in self._ahead})
            self._ahead.clear()

    async def drop(self) -> None:
        """Abandon the batch in flight: the stored marks decide what is republished."""
        task, self._under_way = self._under_way, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def forget(self) -> None:
        """The connection is closed: forget everything that was known of it."""
        await self.drop()
        self._published.clear()
        self._ahead.clear()

    async def again(self, outgoing: Sequence[Outgoing], partition: TopicPartition, end: int) -> None:
        """Republish, in order, what was stored for a partition up to `end`, and store the mark."""
        await self._producer.send_all(outgoing)
        async with self._engine.begin() as conn:
            await offsets.mark_published(conn, {partition: end})
