"""The two lanes of a consumer, each of which may halt while the other goes on.

A halt is a row: it survives a restart, other processes of the service see it within a second, and `firsthour resume`
deletes it.
"""

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final, get_args

from sqlalchemy.ext.asyncio import AsyncEngine

from shared import log
from shared.db.tables import halts
from shared.db.tables.halts import Cause, Halt
from shared.db.transient import suppress_transient
from shared.events.lanes import Lane
from shared.kafka.loop.halting import WINDOW, bad_deploy
from shared.kafka.loop.metrics import LoopMetrics
from shared.kafka.records import Sender

_LOG = log.get(__name__)
_LOOK_S: Final = 1.0
_HOW_TO_GO_ON: Final = {
    "failures": "put it right, then `firsthour resume --service {service} --lane {lane}`",
    "position": "look with `firsthour topics take-up --dry-run`, go on with `firsthour topics take-up`",
}


class Lanes:
    """Which lanes are halted, and how the latest records of each fared."""

    def __init__(self, engine: AsyncEngine, service: str, live: Iterable[str], metrics: LoopMetrics) -> None:
        """Topics other than `live` belong to the bulk lane. Nothing is read before `look`."""
        self._engine = engine
        self._single = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._service = service
        self._live = frozenset(live)
        self._metrics = metrics
        self._halts: dict[Lane, Halt] = {}
        self._latest: dict[Lane, deque[Sender | None]] = {lane: deque(maxlen=WINDOW) for lane in get_args(Lane)}
        self._looked: float | None = None

    def of(self, topic: str) -> Lane:
        """The lane of a topic."""
        return "live" if topic in self._live else "bulk"

    def halted(self, lane: Lane) -> bool:
        """Whether the lane waits for a person, as of this process's last look."""
        return lane in self._halts

    def reasons(self, lane: Lane) -> list[str]:
        """What a person should know about a halted lane."""
        halt = self._halts.get(lane)
        if halt is None:
            return []
        how = _HOW_TO_GO_ON[halt.cause].format(service=self._service, lane=lane)
        since = f"{halt.halted_at:%Y-%m-%d %H:%M:%S} UTC"
        return [f"{self._service}: the {lane} lane is halted since {since}: {halt.reason}; {how}"]

    def worked(self, lane: Lane, records: int) -> None:
        """So many records were committed normally."""
        self._latest[lane].extend([None] * min(records, WINDOW))

    def failed(self, lane: Lane, sender: Sender) -> None:
        """The dead letter of an unforeseen failure was committed."""
        self._latest[lane].append(sender)

    def verdict(self, lane: Lane, senders: Sequence[Sender]) -> str | None:
        """Why the lane has to halt rather than dead-letter these senders' records too; None: it need not."""
        return bad_deploy([*self._latest[lane], *senders])

    async def halt(self, lane: Lane, cause: Cause, reason: str) -> None:
        """Halt a lane until a person says otherwise."""
        async with self._engine.begin() as conn:
            await halts.begin(conn, lane, cause, reason)
        await self._read()

    async def look(self) -> set[Lane]:
        """Now and then read the halts that other processes and people have changed; returns the lanes that changed."""
        now = asyncio.get_running_loop().time()
        if self._looked is not None and now - self._looked < _LOOK_S:
            return set()
        before = set(self._halts)
        with suppress_transient() as failed:  # then the last known state holds until Postgres is back
            await self._read()
        if failed.error is not None and self._looked is None:
            raise failed.error
        self._looked = now
        return before ^ set(self._halts)

    async def _read(self) -> None:
        async with self._single.connect() as conn:
            found = {halt.lane: halt for halt in await halts.read(conn)}
        for lane in found.keys() - self._halts.keys():
            _LOG.error("lane_halted", consumer=self._service, lane=lane, cause=found[lane].cause,
                       reason=found[lane].reason)  # fmt: skip
        for lane in self._halts.keys() - found.keys():
            self._latest[lane].clear()
            _LOG.warning("lane_goes_on", consumer=self._service, lane=lane)
        self._halts = found
        self._metrics.halted(found)
