import asyncio
import re
from pathlib import Path
from typing import Final

import pytest
from aiokafka.errors import KafkaConnectionError

from shared.db.transient import is_transient, suppress_transient, suppress_unless_transient
from shared.db.turns import until_done
from shared.errors import Permanent, Transient
from shared.kafka.transient import most_telling, passes

_ROOT: Final = Path(__file__).parents[4]
_JUDGE_THEMSELVES: Final = {  # they ask for more than that
    "services/cli/service_database.py",
    "services/scoring/jobs/replay.py",
    "services/scoring/jobs/revalue.py",
}


@pytest.mark.parametrize("error", [Transient("busy"), ConnectionRefusedError(), TimeoutError()])
def test_what_may_work_next_time_is_suppressed_and_kept(error: Exception) -> None:
    with suppress_transient() as failed:
        raise error
    assert failed.error is error


@pytest.mark.parametrize("error", [Permanent("never"), ValueError(), asyncio.CancelledError()])
def test_nothing_else_is(error: BaseException) -> None:
    with pytest.raises(type(error)), suppress_transient():
        raise error


def test_the_counterpart_keeps_what_would_come_again_and_lets_pass_what_may_work() -> None:
    error = ValueError()
    with suppress_unless_transient() as failed:
        raise error
    assert failed.error is error
    for passing in (Transient("busy"), asyncio.CancelledError()):
        with pytest.raises(type(passing)), suppress_unless_transient():
            raise passing


def test_both_together_tell_them_apart() -> None:
    for error in (Transient("busy"), ValueError()):
        with suppress_transient() as waits, suppress_unless_transient() as failed:
            raise error
        assert (waits.error, failed.error) == ((error, None) if isinstance(error, Transient) else (None, error))


def test_a_hand_made_judgement_of_errors_stays_rare() -> None:
    """A dependency that is away and a fault of ours are told apart by the two context managers."""
    found = {
        str(path.relative_to(_ROOT))
        for folder in ("services", "shared")
        for path in (_ROOT / folder).rglob("*.py")
        if re.search(r"\bif .*\bis_transient\(", path.read_text())
    }
    assert found <= _JUDGE_THEMSELVES


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


def test_of_several_errors_the_one_that_does_not_pass_decides() -> None:
    ends = KeyError("a fault of ours")
    group = BaseExceptionGroup("both", [Transient("busy"), BaseExceptionGroup("deeper", [Transient("away"), ends])])
    assert most_telling(group) is ends


def test_of_several_that_pass_it_is_the_first() -> None:
    first = Transient("busy")
    assert most_telling(BaseExceptionGroup("both", [first, Transient("away")])) is first
