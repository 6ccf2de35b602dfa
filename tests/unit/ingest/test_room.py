"""Room for the bytes of bodies: never more than there is, in turn, and all of it is given back."""

import asyncio
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.http.byte_budget import Room
from shared.http.problems import Problem
from tests.unit.ingest.any_json import CALM


def test_what_fits_is_taken_at_once() -> None:
    room = Room(100)
    assert room.take(60)
    assert room.take(40)
    assert not room.take(1)
    room.leave(40)
    assert room.take(1)


def test_a_body_larger_than_the_room_has_it_for_itself() -> None:
    room = Room(100)
    assert room.take(500)
    assert not room.take(1)


async def test_who_waits_comes_in_turn() -> None:
    room, came = Room(100), list[str]()
    assert room.take(100)

    async def wait(name: str, size: int) -> None:
        await room.wait_for(size)
        came.append(name)

    tasks = [asyncio.create_task(wait(name, size)) for name, size in (("large", 80), ("small", 20), ("last", 30))]
    await asyncio.sleep(0)
    room.leave(50)  # not enough for the first: nobody passes it
    assert not room.take(1)
    room.leave(50)
    await asyncio.gather(*tasks[:2])
    assert came == ["large", "small"]
    room.leave(80)
    await tasks[2]


async def test_who_waits_too_long_is_told_to_come_again() -> None:
    room = Room(100, patience_s=0.01)
    assert room.take(100)
    with pytest.raises(Problem) as refused:
        await room.wait_for(50)
    assert (refused.value.status, refused.value.headers["Retry-After"]) == (503, "1")
    room.leave(100)
    assert room.take(100), "what was refused holds nothing"


async def test_no_more_wait_than_may() -> None:
    room = Room(100)
    assert room.take(100)
    waiting = asyncio.create_task(room.wait_for(400))
    await asyncio.sleep(0)
    with pytest.raises(Problem):
        await room.wait_for(1)
    room.leave(100)
    await waiting


@CALM
@given(sizes=st.lists(st.integers(1, 60), min_size=1, max_size=5), seed=st.integers())
def test_there_is_never_more_than_there_is_room_for(sizes: list[int], seed: int) -> None:
    dice = random.Random(seed)

    async def run() -> None:
        room, inside = Room(100, patience_s=5), 0

        async def body(size: int) -> None:
            nonlocal inside
            if not room.take(size):
                waiting = asyncio.ensure_future(room.wait_for(size))
                if dice.random() < 0.3:
                    for _ in range(dice.randrange(4)):
                        await asyncio.sleep(0)
                    if waiting.cancel():
                        await asyncio.wait([waiting])
                        return
                await waiting
            inside += size
            assert inside <= 100
            for _ in range(dice.randrange(4)):
                await asyncio.sleep(0)
            inside -= size
            room.leave(size)

        await asyncio.gather(*(body(size) for size in sizes))
        assert room.take(100)

    asyncio.run(run())
