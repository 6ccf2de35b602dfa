"""Keeps a child running: started again when it dies, given up when it dies too often."""

import asyncio
import random
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final, NoReturn

from embedded.brokers.process import Child, ProcessDied
from shared.backoff import exponential

DEATHS: Final = 5
WITHIN_S: Final = 60.0


class KeepsDying(ProcessDied):
    """A child died more than DEATHS times within WITHIN_S seconds; `log` is the end of what it wrote."""


async def keep_running(
    name: str,
    child: Callable[[], Child | None],
    start: Callable[[], Awaitable[None]],
    say: Callable[[str], None],
    *,
    first_wait_s: float = 0.5,
) -> NoReturn:
    """Start it again whenever it has ended, after a wait that doubles with each death of the last minute.

    Raises KeepsDying.
    A service may end on purpose: its watchdog prefers a new process to one that does nothing.
    """
    loop = asyncio.get_running_loop()
    deaths: deque[float] = deque(maxlen=DEATHS + 1)
    while True:
        running = child()
        assert running
        code = await running.ended()
        deaths.append(loop.time())
        recent = sum(1 for at in deaths if at > loop.time() - WITHIN_S)
        if recent > DEATHS:
            raise KeepsDying(
                f"{name} died {recent} times within a minute ({_how(code)}); its log is {running.log_path}",
                running.tail(),
            )
        wait = exponential(recent - 1, jitter=random.random(), first=first_wait_s)  # noqa: S311 - spreads, hides nothing
        say(f"{name} ended ({_how(code)}); starting it again in {wait:.1f} s. Its log: {running.log_path}")
        await asyncio.sleep(wait)
        try:
            await start()
        except ProcessDied as death:
            say(f"{name}: {death}")
        else:
            say(f"{name} is started again")


def _how(code: int) -> str:
    return f"killed by signal {-code}" if code < 0 else f"exit code {code}"
