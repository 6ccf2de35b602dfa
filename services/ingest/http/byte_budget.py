"""How many bytes of bodies may be at work at once: memory is bounded whatever is sent, and however many send it."""

import asyncio
from collections import deque
from typing import Final, NamedTuple

from shared.http.problems import Problem

_PATIENCE_S: Final = 2.0
_WAITING: Final = 4


def busy() -> Problem:
    """The answer when there is more to do than can be borne."""
    return Problem(503, "Too many requests at once", "Send it again in a moment.", headers={"Retry-After": "1"})


class _Turn(NamedTuple):
    size: int
    come: asyncio.Future[None]


class Room:
    """What all requests of one process share. Who finds no room waits a little for its turn."""

    def __init__(self, most: int, *, patience_s: float = _PATIENCE_S) -> None:
        """`most`: bytes at work, and four times as many that wait; a body that is larger has it for itself.

        `patience_s`: how long one waits.
        """
        self._most = most
        self._patience_s = patience_s
        self._taken = 0
        self._turns: deque[_Turn] = deque()
        self._waiting = 0

    def take(self, size: int) -> bool:
        """Whether there was room for so many bytes; then they are counted."""
        if self._turns or not self._fits(size):
            return False
        self._taken += size
        return True

    async def wait_for(self, size: int) -> None:
        """Return once they are counted, each in its turn. Raises Problem 503 when too many wait, or one too long."""
        if self._waiting + size > _WAITING * self._most:  # some of each is in memory while it waits
            raise busy()
        turn = _Turn(size, asyncio.get_running_loop().create_future())
        self._turns.append(turn)
        self._waiting += size
        self._next()
        try:
            async with asyncio.timeout(self._patience_s):
                await turn.come
        except BaseException as error:
            if turn.come.cancelled():
                self._next()  # perhaps it alone was in the way
            else:  # it came at the last moment
                self.leave(size)
            if isinstance(error, TimeoutError):
                raise busy() from None
            raise
        finally:
            self._waiting -= size

    def leave(self, size: int) -> None:
        """Give back what one request has taken, once it is answered."""
        self._taken -= size
        if self._turns:
            self._next()

    def _next(self) -> None:
        while self._turns:
            turn = self._turns[0]
            if not turn.come.cancelled():
                if not self._fits(turn.size):
                    return
                self._taken += turn.size
                turn.come.set_result(None)
            self._turns.popleft()

    def _fits(self, size: int) -> bool:
        return self._taken + size <= self._most or not self._taken
