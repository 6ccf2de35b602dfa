"""Waits that can be cut short."""

import asyncio
import contextlib
from typing import Final

_SOON_S: Final = 0.1
_REST_S: Final = 1.0
_QUIET: Final = 5  # looks in a row that found nothing, then the next ones may be further apart
_FURTHER: Final = 3


async def pause(told: asyncio.Event, seconds: float) -> None:
    """Return after so many seconds, or as soon as `told` is set: `stopping`, or a hint that there is work."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(told.wait(), seconds)


async def pause_for_either(one: asyncio.Event, other: asyncio.Event, seconds: float) -> None:
    """Return after so many seconds, or as soon as one of the two is set."""
    if one.is_set() or other.is_set():
        return
    waiting = [asyncio.create_task(one.wait()), asyncio.create_task(other.wait())]
    try:
        await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waiting:
            task.cancel()


class Rest:
    """How long to wait between looks at what only others may have written: longer while nobody does."""

    def __init__(self, seconds: float) -> None:
        """`seconds`: while there is something now and then; three times that once nothing was found for a while."""
        self._seconds = seconds
        self._quiet = 0

    @property
    def seconds(self) -> float:
        """The longest wait until the next look."""
        return self._seconds * _FURTHER if self._quiet >= _QUIET else self._seconds

    def looked(self, *, found: bool) -> None:
        """A look found something, or nothing."""
        self._quiet = 0 if found else self._quiet + 1


class Rounds:
    """When to poll again for due rows: soon after a hint, else when the next known row is due.

    Rows written by a process that died before handling them are found within a second, or three if nothing happens.
    """

    def __init__(self, *, soon_s: float = _SOON_S, rest_s: float = _REST_S) -> None:
        """Polls are at least `soon_s` seconds apart, and at most `rest_s`; three times that while nothing happens."""
        self._soon_s = soon_s
        self._rest = Rest(rest_s)
        self._stirred = asyncio.Event()

    def stir(self) -> None:
        """Hint that a row was written that may be due before the next poll."""
        self._stirred.set()

    def expect(self, in_s: float) -> None:
        """Hint that a row was written that is due in so many seconds."""
        if in_s < self._rest.seconds:  # otherwise the next poll finds it in time
            self.stir()

    async def wait(self, stopping: asyncio.Event, next_in_s: float | None) -> None:
        """Return when it is time to poll, or when stopping. `next_in_s`: seconds until the next known row is due.

        0 or less: one is due and could not be handled yet.
        """
        began = asyncio.get_running_loop().time()
        rest = self._rest.seconds
        most = rest if next_in_s is None else min(rest, max(self._soon_s, next_in_s))
        await pause_for_either(stopping, self._stirred, most)
        self._rest.looked(found=self._stirred.is_set() or most < rest)
        self._stirred.clear()
        if not stopping.is_set():
            await pause(stopping, max(0.0, began + self._soon_s - asyncio.get_running_loop().time()))
