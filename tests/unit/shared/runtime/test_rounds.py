"""When a round of looking for due rows begins."""

import asyncio

from shared.runtime.pause import Rest, Rounds, pause_for_either


async def waited(rounds: Rounds, next_in_s: float | None, stopping: asyncio.Event | None = None) -> float:
    clock = asyncio.get_running_loop().time
    began = clock()
    await rounds.wait(stopping or asyncio.Event(), next_in_s)
    return clock() - began


async def test_at_rest_it_is_the_longest_pause() -> None:
    assert await waited(Rounds(soon_s=0.01, rest_s=0.2), None) >= 0.2
    assert await waited(Rounds(soon_s=0.01, rest_s=0.2), 100) >= 0.2


async def test_it_is_when_the_next_row_is_due_but_never_at_once() -> None:
    assert 0.05 <= await waited(Rounds(soon_s=0.01, rest_s=60), 0.05) < 30
    assert 0.02 <= await waited(Rounds(soon_s=0.02, rest_s=60), -5.0) < 30


async def test_whoever_writes_ends_the_rest_and_a_round_later_it_is_rest_again() -> None:
    rounds = Rounds(soon_s=0.02, rest_s=60)
    rounds.stir()
    assert 0.02 <= await waited(rounds, None) < 30
    asyncio.get_running_loop().call_later(0.05, rounds.stir)
    assert 0.05 <= await waited(rounds, None) < 30
    with_rest = asyncio.create_task(waited(rounds, None))
    await asyncio.wait([with_rest], timeout=0.2)
    assert not with_rest.done()
    with_rest.cancel()


async def test_a_row_that_the_next_round_finds_in_time_ends_no_rest() -> None:
    rounds = Rounds(soon_s=0.02, rest_s=0.3)
    rounds.expect(0.3)
    assert await waited(rounds, None) >= 0.3
    rounds = Rounds(soon_s=0.02, rest_s=60)
    rounds.expect(59)
    assert 0.02 <= await waited(rounds, None) < 30


async def test_stopping_ends_it_at_once() -> None:
    stopping = asyncio.Event()
    stopping.set()
    assert await waited(Rounds(soon_s=50, rest_s=60), None, stopping) < 30


async def test_either_of_two_ends_a_pause() -> None:
    for which in range(2):
        events = asyncio.Event(), asyncio.Event()
        asyncio.get_running_loop().call_later(0.01, events[which].set)
        await asyncio.wait_for(pause_for_either(*events, 60), 30)


def test_looks_are_further_apart_once_five_have_found_nothing() -> None:
    rest = Rest(1.0)
    for _ in range(4):
        rest.looked(found=False)
        assert rest.seconds == 1.0
    rest.looked(found=False)
    assert rest.seconds == 3.0
    rest.looked(found=True)
    assert rest.seconds == 1.0


async def test_it_rests_longer_when_nothing_happens() -> None:
    rounds = Rounds(soon_s=0.0, rest_s=0.05)
    for _ in range(5):
        assert await waited(rounds, None) >= 0.05
    assert await waited(rounds, None) >= 0.15
