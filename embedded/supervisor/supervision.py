"""Keeps the parts running: what dies is started again, after pauses that grow to a minute, and takes nothing else down.

ingest keeps answering 202 while scoring cannot start: what it accepts waits in Kafka, or in the spool without Kafka.
"""

import asyncio
import json
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final, NoReturn

from embedded.brokers.process import Child, ProcessDied
from shared.runtime.restarts import FIRST_PAUSE_S, WELL_AFTER_S, Restarts

_LONGEST_REASON: Final = 300


@dataclass(slots=True)
class Part:
    """One thing that is kept running, and its state. `child`: the process of its last start.

    `pause_s`: how long until it is started again, 0 while it runs.
    """

    name: str
    child: Callable[[], Child | None]
    start: Callable[[], Awaitable[None]]
    deaths: int = 0
    restarts: Restarts = field(default_factory=Restarts)
    pause_s: float = 0.0

    @property
    def in_a_row(self) -> int:
        """Deaths since it last ran for a while."""
        return self.restarts.in_a_row

    @property
    def up(self) -> bool:
        """Whether its process runs now."""
        child = self.child()
        return child is not None and child.alive


async def keep_running(
    part: Part,
    say: Callable[[str], None],
    *,
    first_pause_s: float = FIRST_PAUSE_S,
    well_after_s: float = WELL_AFTER_S,
) -> NoReturn:
    """Restart it whenever it has ended, for ever. The pause doubles with each death until it has run for a while.

    A service may end on purpose: its watchdog prefers a new process to one that does nothing.
    """
    part.restarts = Restarts(first_pause_s, well_after_s)
    why_not = ""
    while True:
        if not why_not:
            why_not = await _ended(part, say, well_after_s)
        part.deaths += 1
        part.pause_s = part.restarts.died(ran_s=0.0, jitter=random.random())  # noqa: S311 - spreads, hides nothing
        again = f" {part.in_a_row} times in a row" if part.in_a_row > 1 else ""
        child = part.child()
        log = f" Its log: {child.log_path}" if child else ""
        say(f"{part.name} ended{again} ({why_not}); starting it again in {part.pause_s:.1f} s.{log}")
        await asyncio.sleep(part.pause_s)
        part.pause_s, why_not = 0.0, ""
        try:
            await part.start()
        except ProcessDied as death:
            why_not = _with_reason(str(death), death.log)
        except Exception as error:  # noqa: BLE001 - whatever keeps it from starting, the others keep running
            why_not = f"{type(error).__name__}: {error}"
        else:
            say(f"{part.name} is started again")


async def _ended(part: Part, say: Callable[[str], None], well_after_s: float) -> str:
    """Wait until its process has ended; how it ended, and why as far as its log knows."""
    child = part.child()
    assert child
    if part.in_a_row:
        try:
            code = await asyncio.wait_for(child.ended(), well_after_s)
        except TimeoutError:
            part.restarts.in_a_row = 0
            say(f"{part.name} is well again")
            code = await child.ended()
    else:
        code = await child.ended()
    return _with_reason(f"killed by signal {-code}" if code < 0 else f"exit code {code}", child.tail())


def _with_reason(how: str, log: str) -> str:
    reason = last_words(log)
    return f"{how}: {reason}" if reason else how


def last_words(log: str) -> str:
    """Why its process ended, in one line from the end of its log: for our own services, the last error's reason."""
    lines = [line.strip() for line in log.splitlines() if line.strip() and not line[0].isspace()]
    for line in reversed(lines):
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict) and entry.get("level") in ("error", "critical"):
            said = entry.get("problem") or entry.get("reason") or entry.get("message") or ""
            return " ".join(str(said).split())[:_LONGEST_REASON]
    return lines[-1][:_LONGEST_REASON] if lines else ""
