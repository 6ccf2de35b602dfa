"""Work that takes turns: what a turn says of the next one, and what an error says."""

import asyncio

import pytest

from shared.db.turns import take_turns, until_done
from shared.errors import Transient


async def turns(*said: float | Exception | None) -> list[int]:
    """Take these turns; the last one stops. Which were taken."""
    stopping, taken = asyncio.Event(), list[int]()

    async def turn() -> float | None:
        taken.append(len(taken))
        if len(taken) == len(said):
            stopping.set()
        answer = said[len(taken) - 1]
        if isinstance(answer, Exception):
            raise answer
        return answer

    async with asyncio.timeout(20):
        await take_turns("nothing_waits", turn, stopping)
    return taken


async def test_a_turn_with_more_to_do_is_followed_by_another() -> None:
    assert await turns(None, None, 0.0, 0.0) == [0, 1, 2, 3]


async def test_a_stop_cuts_a_pause_short() -> None:
    assert await turns(3600.0) == [0]


async def test_what_may_work_next_time_is_tried_again() -> None:
    assert await turns(Transient("away"), Transient("away"), 3600.0) == [0, 1, 2]


async def test_a_fault_of_ours_ends_it() -> None:
    with pytest.raises(KeyError):
        await turns(KeyError("ours"), 0.0)


async def test_before_it_begins_it_may_be_stopped() -> None:
    stopping = asyncio.Event()
    stopping.set()

    async def turn() -> float:
        raise AssertionError

    await take_turns("nothing_waits", turn, stopping)


async def test_what_has_to_be_done_is_tried_until_it_works_once() -> None:
    tries: list[int] = []

    async def work() -> None:
        tries.append(len(tries))
        if len(tries) < 2:
            raise Transient("away")

    async with asyncio.timeout(20):
        assert await until_done(work, asyncio.Event())
    assert tries == [0, 1]


async def test_at_a_stop_what_could_not_be_done_is_said_to_be_undone() -> None:
    stopping = asyncio.Event()

    async def work() -> None:
        stopping.set()
        raise Transient("away")

    async with asyncio.timeout(20):
        assert not await until_done(work, stopping)
