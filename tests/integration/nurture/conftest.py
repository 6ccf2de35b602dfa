"""What most of nurture's tests need."""

from collections.abc import AsyncIterator

import pytest

from tests.support.webhook_receiver import Receiver, receiving


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """Takes webhooks, as the test tells it to."""
    async with receiving() as receiver:
        yield receiver
