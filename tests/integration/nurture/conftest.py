"""What most of nurture's tests need."""

from collections.abc import AsyncIterator

import pytest

from shared.db.engine import make_engine
from tests.support.enrolling import House
from tests.support.webhook_receiver import Receiver, receiving


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """Takes webhooks, as the test tells it to."""
    async with receiving() as receiver:
        yield receiver


@pytest.fixture
async def house(database: str) -> AsyncIterator[House]:
    """Nurture's handler and timers on Postgres alone."""
    engine = make_engine(database, application="test", schema="nurture")
    house = House(engine)
    yield house
    for conn in house.open:
        await conn.close()
    await engine.dispose()
