"""Which partitions this consumer has, and which of them it has not taken up yet."""

from collections.abc import Iterable

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition


class Assignment(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka publishes no types
    """Only records what changed: aiokafka swallows exceptions raised here, so the loop does the work."""

    def __init__(self, consumer: AIOKafkaConsumer) -> None:
        self._consumer = consumer
        self.to_adopt: set[TopicPartition] = set()
        self.joined = False

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """Another process has these now."""
        self.to_adopt.difference_update(revoked)

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """We have these now."""
        partitions = list(assigned)
        for partition in partitions:
            self._consumer.seek(partition, 0)  # any position will do: without one, aiokafka asks Kafka
        self.to_adopt.clear()
        self.hold(partitions)
        self.joined = True

    def hold(self, partitions: Iterable[TopicPartition]) -> None:
        """Read nothing of these partitions until they have been adopted."""
        held = set(partitions)
        self._consumer.pause(*held)
        self.to_adopt |= held
