"""Refused requests by source and reason: counted, the last ones kept, and logged once a minute. Never a value."""

import asyncio
import re
from collections import deque
from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

from prometheus_client import CollectorRegistry, Counter

from shared import log
from shared.clock import utc_now
from shared.http.problems import Problem
from shared.runtime.pause import pause

_LOG = log.get(__name__)
_EVERY_S: Final = 60.0
_KEPT: Final = 50  # per source
_MOST_FIELDS: Final = 20
# A sender may name a field anything, even an address.
_FIELD: Final = re.compile(r"(?:/(?:[A-Za-z_-]{1,40}|[0-9]{1,4}))+")
_NOBODY: Final = "none"  # the source of requests with an unknown key or name
_REASONS: Final = {
    400: "unreadable", 401: "no_key", 403: "not_allowed", 404: "unknown", 408: "too_slow", 409: "conflict",
    413: "too_large", 415: "media_type", 422: "invalid", 429: "too_many", 503: "unavailable",
}  # fmt: skip
_OTHER: Final = "fault"


class Refusal(NamedTuple):
    """A refusal. `fields`: the names of the wrong ones."""

    at: datetime
    reason: str
    fields: tuple[str, ...]


class Refusals:
    """The refusals of all sources, in this process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._counter = Counter(
            "firsthour_ingest_refusals",
            "What was not taken, by source (`none`: it is not known) and why.",
            ["source", "reason"],
            registry=registry,
        )
        self._absent = Counter(
            "firsthour_ingest_absent_identities",
            "Identities that stand for nobody (undefined, none@none.com), taken as absent.",
            ["source", "identity"],
            registry=registry,
        )
        self._last: dict[str, deque[Refusal]] = {}
        self._since: dict[tuple[str, str, str], tuple[int, tuple[str, ...]]] = {}  # not logged yet

    def note(self, source: str | None, reason: str, wrong: Sequence[str]) -> None:
        """Note a refusal. `wrong`: JSON pointers to the fields."""
        name = source or _NOBODY
        fields = tuple(dict.fromkeys(field_shown(each) for each in wrong[:_MOST_FIELDS]))
        self._counter.labels(source=name, reason=reason).inc()
        self._last.setdefault(name, deque(maxlen=_KEPT)).append(Refusal(utc_now(), reason, fields))
        self._say("refused", name, reason, fields)

    def absent(self, source: str | None, identities: Sequence[str]) -> None:
        """These identities were placeholders, and were treated as absent."""
        for each in identities:
            self._absent.labels(source=source or _NOBODY, identity=each).inc()
        self._say("identity_absent", source or _NOBODY, "stands_for_nobody", tuple(sorted(set(identities))))

    def last(self, source: str) -> Sequence[Refusal]:
        """The source's last refusals, newest last."""
        return tuple(self._last.get(source, ()))

    async def run(self, stopping: asyncio.Event) -> None:
        """A task of the service: logs once a minute how many more there were."""
        while not stopping.is_set():
            await pause(stopping, _EVERY_S)
            self._flush()

    def _say(self, event: str, source: str, reason: str, fields: tuple[str, ...]) -> None:
        """Log the first at once, all others together."""
        key = (event, source, reason)
        if key not in self._since:
            self._since[key] = 0, ()
            _LOG.warning(event, source=source, reason=reason, count=1, fields=list(fields))
            return
        count, _ = self._since[key]
        self._since[key] = count + 1, fields

    def _flush(self) -> None:
        for key, (count, fields) in list(self._since.items()):
            if not count:
                del self._since[key]
                continue
            event, source, reason = key
            self._since[key] = 0, ()
            _LOG.warning(event, source=source, reason=reason, count=count, fields=list(fields))


def reason_of(problem: Problem) -> str:
    """One word, for a metric."""
    return _REASONS.get(problem.status, _OTHER)


def field_shown(at: str) -> str:
    """The pointer for the log, hidden if it may be personal data."""
    return at if at == "/" or _FIELD.fullmatch(at) else "/…"
