"""Room for the bytes of bodies: never more than there is, in turn, and all of it is given back."""

import asyncio
import random
from collections.abc import Awaitable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.http.byte_budget import Place, Room
from shared.http.problems import Problem
from tests.unit.ingest.any_json import CALM

LONG_S = 60.0


async def taken(room: Room, size: int, who: str | None = None) -> Place | None:
    """The place that took so many bytes at once; None when there was no room."""
    place = room.enter(who)
    task = asyncio.create_task(room.take(place, size))
    await asyncio.sleep(0)
    if task.done():
        await task
        return place
    task.cancel()
    await asyncio.wait([task])
    room.leave(place)
    return None


async def test_what_fits_is_taken_at_once() -> None:
    room = Room(100)
    assert await taken(room, 60)
    second = await taken(room, 40)
    assert second is not None
    assert not await taken(room, 1)
    room.leave(second)
    assert await taken(room, 1)


async def test_a_body_larger_than_the_room_has_it_for_itself() -> None:
    room = Room(100)
    large = await taken(room, 500)
    assert large is not None
    await room.take(large, 500)
    assert not await taken(room, 1)


async def test_who_waits_comes_in_turn() -> None:
    room, came = Room(100), list[str]()
    first = await taken(room, 100)
    assert first is not None
    places: dict[str, Place] = {}

    async def wait(name: str, size: int) -> None:
        places[name] = room.enter(None)
        await room.take(places[name], size)
        came.append(name)

    tasks = [asyncio.create_task(wait(name, size)) for name, size in (("large", 80), ("small", 20), ("last", 30))]
    await asyncio.sleep(0)
    assert not await taken(room, 1), "nobody passes those who wait"
    room.leave(first)
    await asyncio.gather(*tasks[:2])
    assert came == ["large", "small"]
    room.leave(places["large"])
    await tasks[2]


async def test_who_waits_too_long_is_told_to_come_again() -> None:
    room = Room(100, patience_s=0.01)
    first = await taken(room, 100)
    assert first is not None
    second = room.enter(None)
    with pytest.raises(Problem) as refused:
        await room.take(second, 50)
    assert (refused.value.status, refused.value.headers["Retry-After"]) == (503, "1")
    room.leave(second)
    room.leave(first)
    assert await taken(room, 100), "what was refused holds nothing"


async def test_no_more_wait_than_may() -> None:
    room = Room(100)
    first = await taken(room, 100)
    assert first is not None
    waiting = asyncio.create_task(room.take(room.enter(None), 400))
    await asyncio.sleep(0)
    with pytest.raises(Problem):
        await room.take(room.enter(None), 1)
    room.leave(first)
    await waiting


async def _read(room: Room, place: Place, rest: Awaitable[bytes]) -> str:
    try:
        await room.read(place, rest)
    except Problem:
        return "sent away"
    finally:
        room.leave(place)
    return "whole"


async def coming(room: Room, size: int, who: str | None = None) -> asyncio.Task[str]:
    """A body of which so much has come, and no more comes."""

    async def body() -> str:
        place = room.enter(who)

        async def rest() -> bytes:
            await room.take(place, size)
            await asyncio.sleep(LONG_S)
            return b""

        return await _read(room, place, rest())

    task = asyncio.create_task(body())
    await asyncio.sleep(0)
    return task


async def test_what_does_not_come_makes_way_for_what_is_there() -> None:
    room = Room(100, grace_s=0.0)
    stalled = [await coming(room, 50), await coming(room, 50)]
    await room.take(room.enter(None), 30)
    assert await stalled[0] == "sent away", "the oldest"
    assert not stalled[1].done(), "and no more than is needed"
    stalled[1].cancel()


async def test_two_that_have_half_of_what_they_need_do_not_wait_for_ever() -> None:
    room = Room(100, grace_s=0.0)

    async def body() -> str:
        place = room.enter(None)

        async def rest() -> bytes:
            await room.take(place, 50)
            await asyncio.sleep(0)
            await room.take(place, 50)
            return b""

        return await _read(room, place, rest())

    async with asyncio.timeout(5):
        assert sorted(await asyncio.gather(body(), body())) == ["sent away", "whole"]


async def test_requests_that_send_nothing_keep_nobody_out() -> None:
    room = Room(100, requests=3, grace_s=0.0)
    stalled = [await coming(room, 0) for _ in range(3)]
    assert await taken(room, 10)
    assert await stalled[0] == "sent away"
    for each in stalled[1:]:
        each.cancel()


async def test_one_public_address_has_a_quarter() -> None:
    room = Room(100, requests=100)
    assert await taken(room, 20, "93.184.216.34")
    with pytest.raises(Problem):
        await taken(room, 20, "93.184.216.34")
    assert await taken(room, 20, "93.184.216.35"), "another has its own"
    assert await taken(room, 20), "and who is no public address has no share to keep to"
    large = Room(100)
    assert await taken(large, 60, "93.184.216.34"), "one body may be larger than a share"
    few = Room(100, requests=8)
    places = [few.enter("93.184.216.34") for _ in range(2)]
    with pytest.raises(Problem):
        few.enter("93.184.216.34")
    few.leave(places[0])
    few.enter("93.184.216.34")


async def test_who_is_known_keeps_to_no_share() -> None:
    room = Room(100, requests=4)
    for _ in range(4):
        place = room.enter("93.184.216.34")
        room.trust(place)
        await room.take(place, 25)
        assert place.who is None


@CALM
@given(sizes=st.lists(st.integers(1, 60), min_size=1, max_size=5), seed=st.integers())
def test_there_is_never_more_than_there_is_room_for(sizes: list[int], seed: int) -> None:
    dice = random.Random(seed)

    async def run() -> None:
        room, inside = Room(100, patience_s=5), 0

        async def body(size: int) -> None:
            nonlocal inside
            place = room.enter(dice.choice([None, "93.184.216.34"]))
            taking = asyncio.ensure_future(room.take(place, size))
            try:
                if dice.random() < 0.3:
                    for _ in range(dice.randrange(4)):
                        await asyncio.sleep(0)
                    if taking.cancel():
                        await asyncio.wait([taking])
                        return
                try:
                    await taking
                except Problem:
                    return
                inside += size
                assert inside <= 100
                for _ in range(dice.randrange(4)):
                    await asyncio.sleep(0)
                inside -= size
            finally:
                room.leave(place)

        await asyncio.gather(*(body(size) for size in sizes))
        assert await taken(room, 100)

    asyncio.run(run())


async def test_a_body_that_is_cancelled_by_somebody_else_is_not_answered() -> None:
    room = Room(100)
    stalled = await coming(room, 50)
    stalled.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stalled


async def test_one_that_makes_way_and_is_cancelled_is_cancelled() -> None:
    room = Room(100, grace_s=0.0)
    stalled = await coming(room, 90)
    waiting = asyncio.create_task(room.take(room.enter(None), 30))
    while not stalled.cancelling():
        await asyncio.sleep(0)
    stalled.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stalled
    await waiting


async def test_a_body_that_is_whole_makes_way_last() -> None:
    room = Room(100, grace_s=0.0)
    places: list[Place] = []

    async def body() -> str:
        place = room.enter(None)
        places.append(place)

        async def rest() -> bytes:
            await room.take(place, 50)
            await asyncio.sleep(LONG_S)
            return b""

        return await _read(room, place, rest())

    whole, slow = asyncio.create_task(body()), asyncio.create_task(body())
    await asyncio.sleep(0)
    places[0].come = True
    await room.take(room.enter(None), 30)
    assert await slow == "sent away"
    assert not whole.done(), "though it is older"
    await room.take(room.enter(None), 60)
    assert await whole == "sent away", "when nobody else can"
