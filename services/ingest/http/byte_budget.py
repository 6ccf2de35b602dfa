"""The byte budget: how many bytes of bodies and how many requests are handled at once, so that memory is bounded.

Bytes are counted as they arrive, never as announced. An incomplete body makes way for complete ones, so that a slow or
silent client keeps nobody out. One public address gets a quarter at most.
"""

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import Awaitable
from typing import Any, Final, NamedTuple, TypeVar

from shared.http.problems import Problem

_PATIENCE_S: Final = 2.0
_GRACE_S: Final = 1.0
_WAITING: Final = 4
_SHARE: Final = 4
T = TypeVar("T")


def busy() -> Problem:
    """The response to overload."""
    return Problem(503, "Too many requests at once", "Send it again in a moment.", headers={"Retry-After": "1"})


class Place:
    """One request's share of the budget. `who`: the address, limited to a quarter of it; None: no such limit."""

    __slots__ = ("begun", "come", "leaving", "reading", "size", "who")

    def __init__(self, who: str | None) -> None:
        self.who = who
        self.size = 0
        self.begun = 0.0
        self.come = False  # nothing more is to come: it waits for its last piece's turn
        self.leaving = False  # it was told to make way
        self.reading: asyncio.Task[Any] | None = None  # what waits for the rest of its body


class _Turn(NamedTuple):
    place: Place
    size: int
    come: asyncio.Future[None]


class Room:
    """The budget of all requests of one process. A request that does not fit waits a little for its turn."""

    def __init__(
        self, most: int, *, requests: int = 2000, patience_s: float = _PATIENCE_S, grace_s: float = _GRACE_S
    ) -> None:
        """`most`: bytes being handled, and four times as many may wait; a larger body gets the whole budget.

        `patience_s`: how long one waits; `grace_s`: how long a body may take before it makes way.
        """
        self._most = most
        self._requests = requests
        self._patience_s = patience_s
        self._grace_s = grace_s
        self._taken = 0
        self._leaving = 0  # bytes of those that were told to make way
        self._inside = 0
        self._turns: deque[_Turn] = deque()
        self._waiting = 0
        self._coming: OrderedDict[Place, None] = OrderedDict()  # incomplete bodies, the oldest first
        self._bytes_of: Counter[str] = Counter()
        self._requests_of: Counter[str] = Counter()

    def enter(self, who: str | None) -> Place:
        """A place for one request. Raises Problem 503 when there are too many, or too many of `who`."""
        if who is not None and self._requests_of[who] >= max(1, self._requests // _SHARE):
            raise busy()
        if self._inside >= self._requests and not self._send_away():
            raise busy()
        self._inside += 1
        if who is not None:
            self._requests_of[who] += 1
        return Place(who)

    def trust(self, place: Place) -> None:
        """The request is from a known sender: the limit per address does not apply."""
        who = place.who
        if who is not None:
            place.who = None
            self._less(self._bytes_of, who, place.size)
            self._less(self._requests_of, who, 1)

    async def read(self, place: Place, reading: Awaitable[T]) -> T:
        """What is read, a body. Raises Problem 503 when it takes too long and others need the room."""
        task = asyncio.current_task()
        assert task is not None
        place.reading = task
        place.begun = asyncio.get_running_loop().time()
        self._coming[place] = None
        try:
            return await reading
        except asyncio.CancelledError:  # as asyncio.timeout, which costs each request more than all the rest of this
            if not place.leaving or task.uncancel():
                raise
            raise busy() from None
        finally:
            self._whole(place)

    def _whole(self, place: Place) -> None:
        place.reading = None
        self._coming.pop(place, None)

    async def take(self, place: Place, size: int) -> None:
        """Take more bytes, each request in its turn. Raises Problem 503 when too many wait, or one too long."""
        if not self.took(place, size):
            await self.wait(place, size)

    def took(self, place: Place, size: int) -> bool:
        """Whether there was room for more bytes at once, as nearly always. Raises Problem 503 beyond a share."""
        if place.who is not None and self._is_beyond_share(place, place.who, size):
            raise busy()
        if (self._turns and not place.size) or not self._fits(place, size):
            return False
        self._count(place, size)
        return True

    async def wait(self, place: Place, size: int) -> None:
        """Take more bytes once it is the request's turn. Raises Problem 503 when too many wait, or one too long."""
        if self._waiting + size > _WAITING * self._most:  # a part of each is in memory while it waits
            raise busy()
        turn = _Turn(place, size, asyncio.get_running_loop().create_future())
        self._turns.append(turn)
        self._waiting += size
        self._next()
        try:
            async with asyncio.timeout(self._patience_s):
                while not turn.come.done():
                    if self._taken - self._leaving + size > self._most:
                        self._send_away(but=place)
                    await asyncio.wait((turn.come,), timeout=self._grace_s / 4)
        except BaseException as error:
            if not turn.come.done():
                turn.come.cancel()
                self._next()  # it may have been the only obstacle
            if isinstance(error, TimeoutError):
                raise busy() from None
            raise
        finally:
            self._waiting -= size

    def leave(self, place: Place) -> None:
        """Release everything that a request took, once it is answered."""
        self._whole(place)
        self._inside -= 1
        self._taken -= place.size
        self._leaving -= place.size if place.leaving else 0
        if place.who is not None:
            self._less(self._bytes_of, place.who, place.size)
            self._less(self._requests_of, place.who, 1)
        place.size = 0
        if self._turns:
            self._next()

    def _next(self) -> None:
        while self._turns:
            turn = self._turns[0]
            if not turn.come.cancelled():
                if not self._fits(turn.place, turn.size):
                    return
                self._count(turn.place, turn.size)
                turn.come.set_result(None)
            self._turns.popleft()

    def _send_away(self, but: Place | None = None) -> bool:
        """Make the oldest body that has been arriving for too long give way; return whether there was one.

        One of which nothing more is to come gives way last, so that no slow client takes its turn.
        """
        now = asyncio.get_running_loop().time()
        for come in (False, True):
            for place in self._coming:
                if now - place.begun < self._grace_s:
                    break
                if place.come is come and place is not but and place.reading is not None:
                    place.reading.cancel()
                    place.leaving = True
                    self._leaving += place.size
                    self._whole(place)
                    return True
        return False

    def _is_beyond_share(self, place: Place, who: str, size: int) -> bool:
        """A single body may be larger than a share."""
        taken = self._bytes_of[who]
        return taken > place.size and taken + size > self._most // _SHARE

    def _fits(self, place: Place, size: int) -> bool:
        return self._taken + size <= self._most or self._taken == place.size

    def _count(self, place: Place, size: int) -> None:
        self._taken += size
        place.size += size
        if place.who is not None:
            self._bytes_of[place.who] += size

    @staticmethod
    def _less(of: Counter[str], who: str, count: int) -> None:
        of[who] -= count
        if of[who] <= 0:
            del of[who]
