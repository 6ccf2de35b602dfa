"""Where topics end, for whoever has to know whether everything written has been read."""

import asyncio
from collections.abc import Collection
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from shared.kafka.access import OPEN, Access
from shared.kafka.stopping import stop_consumer

_TIMEOUT_S: Final = 5.0


class Ends:
    """A connection that reads no records, opened on first use and reopened after errors."""

    def __init__(self, bootstrap: str, *, client_id: str, access: Access = OPEN) -> None:
        self._bootstrap = bootstrap
        self._client_id = client_id
        self._access = access
        self._consumer: AIOKafkaConsumer | None = None

    async def of(self, topic: str, partitions: Collection[int]) -> dict[int, int]:
        """The end offset of each partition. Raises KafkaError or TimeoutError."""
        if not partitions:
            return {}
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                if self._consumer is None:
                    consumer = AIOKafkaConsumer(
                        bootstrap_servers=self._bootstrap,
                        client_id=self._client_id,
                        enable_auto_commit=False,
                        **self._access.arguments(),
                    )
                    self._consumer = consumer
                    await consumer.start()
                found = await self._consumer.end_offsets([TopicPartition(topic, each) for each in partitions])
        except (KafkaError, OSError, TimeoutError):
            await self.aclose()
            raise
        return {partition.partition: end for partition, end in found.items()}

    async def aclose(self) -> None:
        """Close the connection, if there is one."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await stop_consumer(consumer)
