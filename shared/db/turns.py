"""Work on the database that waits while the database is away."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Final

from shared import log
from shared.backoff import exponential
from shared.db.transient import suppress_transient
from shared.runtime.pause import pause

_LOG = log.get(__name__)
_LEAST_S: Final = 0.005
_LONGEST_S: Final = 30.0
_AGAIN_S: Final = 0.5


async def take_turns(waiting: str, turn: Callable[[], Awaitable[float | None]], stopping: asyncio.Event) -> None:
    """Take turns until stopping. `waiting` is logged when the database is away.

    A turn returns the seconds until the next one, or None when there is more work: then half of the time is left to
    others. Errors that are not transient propagate.
    """
    clock, attempt = asyncio.get_running_loop().time, 0
    while not stopping.is_set():
        began = clock()
        idle_s: float | None = None
        with suppress_transient() as failed:
            idle_s = await turn()
        if failed.error is not None:
            _LOG.warning(waiting, reason=log.reason(failed.error))
            await pause(stopping, exponential(attempt, jitter=random.random(), longest=_LONGEST_S))  # noqa: S311 - dice
            attempt += 1
            continue
        attempt = 0
        await pause(stopping, max(_LEAST_S, clock() - began) if idle_s is None else idle_s)


async def until_done(work: Callable[[], Awaitable[object]], stopping: asyncio.Event) -> bool:
    """Retry every half second until it works once; whether it did before `stopping`."""
    while not stopping.is_set():
        with suppress_transient():
            await work()
            return True
        await pause(stopping, _AGAIN_S)
    return False
