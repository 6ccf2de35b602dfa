import asyncio

import pytest
from aiokafka.errors import KafkaConnectionError

from shared.db.transient import is_transient, suppress_transient
from shared.db.turns import until_done
from shared.errors import Permanent, Transient
from shared.kafka.transient import passes


@pytest.mark.parametrize("error", [Transient("busy"), ConnectionRefusedError(), TimeoutError()])
def test_what_may_work_next_time_is_suppressed_and_kept(error: Exception) -> None:
    with suppress_transient() as failed:
        raise error
    assert failed.error is error


@pytest.mark.parametrize("error", [Permanent("never"), ValueError(), asyncio.CancelledError()])
def test_nothing_else_is(error: BaseException) -> None:
    with pytest.raises(type(error)), suppress_transient():
        raise error


def test_kafka_s_errors_are_for_work_that_needs_kafka() -> None:
    assert passes(KafkaConnectionError())
    assert not is_transient(KafkaConnectionError())
    with suppress_transient(passes) as failed:
        raise KafkaConnectionError
    assert failed.error is not None


async def test_work_is_repeated_until_it_is_done() -> None:
    tries = 0

    async def work() -> None:
        nonlocal tries
        tries += 1
        if tries < 3:
            raise Transient("busy")

    assert await until_done(work, asyncio.Event())
    assert tries == 3


async def test_work_that_never_works_ends_with_the_service() -> None:
    stopping = asyncio.Event()

    async def work() -> None:
        stopping.set()
        raise Transient("busy")

    assert not await until_done(work, stopping)
