"""Work on the database that goes on and on beside the live traffic, and waits while the database is away."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Final

from shared import log
from shared.backoff import exponential
from shared.db.transient import is_transient
from shared.pause import pause

_LOG = log.get(__name__)
_LEAST_S: Final = 0.005
_LONGEST_S: Final = 30.0


async def take_turns(waiting: str, turn: Callable[[], Awaitable[float | None]], stopping: asyncio.Event) -> None:
    """Take one turn after the other until stopping. `waiting` is logged when the database keeps it from going on.

    A turn returns the seconds until the next look for work; None when there is more: then half of the time is left to
    others. It raises what is not transient.
    """
    clock, attempt = asyncio.get_running_loop().time, 0
    while not stopping.is_set():
        began = clock()
        try:
            idle_s = await turn()
        except Exception as error:
            if not is_transient(error):
                raise
            _LOG.warning(waiting, reason=log.reason(error))
            await pause(stopping, exponential(attempt, jitter=random.random(), longest=_LONGEST_S))  # noqa: S311 - dice
            attempt += 1
            continue
        attempt = 0
        await pause(stopping, max(_LEAST_S, clock() - began) if idle_s is None else idle_s)
