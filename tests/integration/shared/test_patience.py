"""How long a fetch waits at Kafka: a real consumer's fetcher is asked."""

from aiokafka import AIOKafkaConsumer

from shared.kafka.loop.patience import AT_REST_MS, SOON_MS, Patience
from shared.kafka.topics import Topics, create_topics


async def test_it_grows_at_rest_and_ends_with_the_next_record(kafka: str, topic_prefix: str) -> None:
    topics = Topics(topic_prefix)
    await create_topics(kafka, topics, partitions=1, replication=1)
    consumer = AIOKafkaConsumer(topics.events, bootstrap_servers=kafka, group_id=None, fetch_max_wait_ms=SOON_MS)
    await consumer.start()
    try:

        def waits_ms() -> int:
            return int(consumer._fetcher._fetch_max_wait_ms)  # that aiokafka still has it is half of the test

        assert waits_ms() == SOON_MS
        patience = Patience(consumer, 100.0)
        for records, now, expected in (
            (0, 104.0, SOON_MS), (0, 106.0, AT_REST_MS), (3, 107.0, SOON_MS), (0, 111.0, SOON_MS), (0, 113.0, AT_REST_MS),
        ):  # fmt: skip
            patience.read(records, now)
            assert waits_ms() == expected, now
    finally:
        await consumer.stop()
