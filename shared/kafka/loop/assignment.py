"""Which partitions this consumer has, and which of them it has not taken up yet."""

from collections.abc import Iterable

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition


class Assignment(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka publishes no types
    """Only notes what changed: aiokafka swallows whatever is raised here, so the work is done in the loop."""

    def __init__(self, consumer: AIOKafkaConsumer) -> None:
        self._consumer = consumer
        self.to_adopt: set[TopicPartition] = set()
        self.joined = False

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """These are another process's now."""
        self.to_adopt.difference_update(revoked)

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """These are ours now."""
        partitions = list(assigned)
        for partition in partitions:
            self._consumer.seek(partition, 0)  # any position: with none, aiokafka would ask Kafka for one
        self.to_adopt.clear()
        self.hold(partitions)
        self.joined = True

    def hold(self, partitions: Iterable[TopicPartition]) -> None:
        """Read nothing of these partitions until they have been adopted."""
        held = set(partitions)
        self._consumer.pause(*held)
        self.to_adopt |= held
