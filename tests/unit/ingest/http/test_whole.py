"""A request that is here whole needs no watch over the rest of it, until it has to wait for its turn."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from services.ingest.http.byte_budget import Room
from services.ingest.http.exchange import Request
from shared.http.problems import Problem
from shared.http.protocol import WHOLE


def request_of(room: Room, parts: Iterator[bytes], *, whole: bool = True) -> Request:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": next(parts), "more_body": False}

    return Request({WHOLE: True} if whole else {}, receive, {}, "", "", room, room.enter(None))


@pytest.mark.parametrize("whole", [True, False])
async def test_its_body_is_read_and_counted_as_any_other(whole: bool) -> None:
    room = Room(100)
    request = request_of(room, iter([b"0123456789"]), whole=whole)
    assert await request.body(50) == b"0123456789"
    assert request.place.size == 10
    with pytest.raises(Problem, match="too large"):
        await request_of(room, iter([b"x" * 51]), whole=whole).body(50)


async def test_while_it_waits_for_its_turn_it_makes_way() -> None:
    room = Room(100, requests=2, grace_s=0.0)
    first = room.enter(None)
    await room.take(first, 100)
    second = request_of(room, iter([b"x" * 50]))
    waiting = asyncio.create_task(second.body(50))
    await asyncio.sleep(0)
    room.enter(None)  # one request too many: the one that waits makes way
    with pytest.raises(Problem, match="at once"):
        await waiting
