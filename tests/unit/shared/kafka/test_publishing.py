"""A published mark moves only once Kafka has acknowledged: what is not acknowledged is published again."""

import pytest

from shared.db.engine import make_engine
from shared.errors import Transient
from shared.kafka.loop.publishing import Publishing
from shared.kafka.producer import Producer
from shared.kafka.records import Outgoing

PLACE = ("topic", 3)
NOWHERE = "postgresql://127.0.0.1:1/none"  # whoever touches it fails with OSError


async def test_what_kafka_has_not_acknowledged_is_not_published() -> None:
    engine = make_engine(NOWHERE, application="test", schema="none")
    publishing = Publishing(engine, Producer("127.0.0.1:1", client_id="test"))
    publishing.begin({PLACE: 3})
    await publishing.publish([Outgoing("topic", None, b"one")], {PLACE: 7})
    with pytest.raises(Transient):
        await publishing.publish([Outgoing("topic", None, b"two")], {PLACE: 8})
    assert publishing.published(PLACE) == 3
    await publishing.remember()  # there is nothing to remember
    with pytest.raises(Transient):
        await publishing.again([Outgoing("topic", None, b"one")], PLACE, 7)
    await engine.dispose()


async def test_what_was_under_way_at_the_end_is_not_published_either() -> None:
    engine = make_engine(NOWHERE, application="test", schema="none")
    publishing = Publishing(engine, Producer("127.0.0.1:1", client_id="test"))
    publishing.begin({PLACE: 3})
    await publishing.publish([Outgoing("topic", None, b"one")], {PLACE: 7})
    await publishing.drop()
    assert publishing.published(PLACE) == 3
    await publishing.remember()
    await engine.dispose()
