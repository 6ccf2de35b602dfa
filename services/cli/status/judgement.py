"""The four questions, and how bad each answer is. Pure: from what was seen to what is said."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import IntEnum
from typing import Final, NamedTuple

from services.cli.status.figures import Seen
from shared.db.services import SERVICES
from shared.durations import DAY_S

_LATE_S: Final = (30.0, 120.0)  # attention, trouble; the alerts of deploy/prometheus/alerts.yml begin at the second
_DUE_S: Final = (60.0, 300.0)
_SPOOL_AGE_S: Final = (0.0, 120.0)
_OLD_S: Final = 60.0
_CANARIES_LOST: Final = 2.5  # as the alert CanaryLost
_CANARY_S: Final = 30.0
_MANY_MORE: Final = 0.9
_HOPS: Final = (
    ("ingest", "acknowledged", 0.5),
    ("scoring", "scored", 10.0),
    ("nurture", "enrolled", 20.0),
    ("nurture", "delivered", 300.0),
)  # seconds within which 95 of 100 leads are expected to have passed


class Level(IntEnum):
    """As an exit code."""

    WELL = 0
    ATTENTION = 1
    TROUBLE = 2


class Finding(NamedTuple):
    """One thing that is so."""

    level: Level
    text: str


class Answer(NamedTuple):
    """One question with what was found."""

    question: str
    findings: list[Finding]

    @property
    def level(self) -> Level:
        """Of the worst finding."""
        return max((finding.level for finding in self.findings), default=Level.WELL)


def judge(seen: Mapping[str, Seen], now: float) -> list[Answer]:
    """The four questions, each with what was found. `seen` by service: ingest, scoring, nurture; `now` is Unix time."""
    questions: dict[str, Callable[[], Iterable[Finding]]] = {
        "Is anybody late?": lambda: [*_late(seen), *_canary(seen["nurture"], now)],
        "Is anything lost or stuck?": lambda: _stuck(seen, now),
        "What is slow?": lambda: _slow(seen),
        "What is about to be full?": lambda: _full(seen),
    }
    return [Answer(question, list(find())) for question, find in questions.items()]


def _level(value: float, bounds: tuple[float, float]) -> Level:
    attention, trouble = bounds
    return Level.TROUBLE if value > trouble else Level.ATTENTION if value > attention else Level.WELL


_ANY: Final = (0.0, math.inf)  # whatever is above 0 needs attention


def _beyond(
    seen: Seen, name: str, bounds: tuple[float, float], say: Callable[[Mapping[str, str], float], str], **labels: str
) -> Iterator[Finding]:
    """What of this figure is beyond its bounds, in words."""
    for its, value in seen.each(name, **labels):
        if level := _level(value, bounds):
            yield Finding(level, say(its, value))


def _late(seen: Mapping[str, Seen]) -> Iterator[Finding]:
    nurture = seen["nurture"]
    yield from _beyond(
        nurture,
        "firsthour_nurture_windows",
        _ANY,
        lambda of, n: f"{n:.0f} leads of {of['workflow']} wait, their time is nearly over",
        state="at_risk",
    )
    for service in SERVICES:
        for its, age in seen[service].each("firsthour_consumer_lag_seconds"):
            if not its["topic"].endswith(".bulk") and (level := _level(age, _LATE_S)):
                yield Finding(level, f"{its['topic']}: the oldest record has waited {duration(age)} for {service}")
    yield from _beyond(
        nurture,
        "firsthour_nurture_delivery_oldest_due_seconds",
        _DUE_S,
        lambda of, age: f"{of['endpoint']}: the oldest follow-up should have gone {duration(age)} ago",
    )
    yield from _beyond(
        nurture,
        "firsthour_nurture_timer_oldest_due_seconds",
        _DUE_S,
        lambda of, age: f"{of['kind']}: the oldest timer is {duration(age)} over",
    )
    yield from _beyond(
        nurture, "firsthour_nurture_tasks", _ANY, lambda _, n: f"{n:.0f} tasks are past their deadline", state="overdue"
    )
    if nurture.problem is None:
        windows = {
            state: nurture.total("firsthour_nurture_windows", state=state) for state in ("open", "met", "missed")
        }
        said = ", ".join(f"{count:.0f} {state}" for state, count in windows.items())
        yield Finding(Level.WELL, f"first-hour windows of the last 24 hours: {said}")


def _canary(nurture: Seen, now: float) -> Iterator[Finding]:
    returned, every_s = (
        nurture.one(f"firsthour_canary_{what}_seconds") for what in ("last_returned_timestamp", "interval")
    )
    if returned is None or every_s is None:  # there is none
        return
    since = now - returned
    if since > _CANARIES_LOST * every_s + _CANARY_S:
        yield Finding(Level.TROUBLE, f"no canary lead has come back for {duration(since)}")
    elif nurture.one("firsthour_canary_hop_seconds_count", hop="delivered"):
        yield Finding(Level.WELL, f"the last canary lead came back {duration(max(0.0, since))} ago")


def _stuck(seen: Mapping[str, Seen], now: float) -> Iterator[Finding]:
    for service, each in seen.items():
        if each.problem is not None:
            yield Finding(Level.TROUBLE, f"{service}: {each.problem}")
        yield from (Finding(Level.TROUBLE, text) for text in each.missing)
        yield from (Finding(Level.ATTENTION, text) for text in each.attention)
        yield from _set_aside(service, each, now)
    ingest, nurture = seen["ingest"], seen["nurture"]
    if pending := ingest.total("firsthour_ingest_spool_pending"):
        age = ingest.one("firsthour_ingest_spool_age_seconds") or 0.0
        level = max(Level.ATTENTION, _level(age, _SPOOL_AGE_S))
        yield Finding(level, f"ingest: {pending:.0f} events have waited on its disk for Kafka for {duration(age)}")
    yield from _beyond(
        nurture, "firsthour_nurture_parked", _ANY, lambda of, n: f"nurture: {n:.0f} {of['kind']} are parked"
    )
    yield from _beyond(
        nurture,
        "firsthour_nurture_facts_waiting",
        _ANY,
        lambda _, n: f"nurture: {n:.0f} facts are parked",
        state="parked",
    )
    yield from _beyond(
        nurture, "firsthour_nurture_endpoints_failing", _ANY, lambda of, _: f"the endpoint {of['endpoint']} is failing"
    )
    yield from _beyond(
        nurture,
        "firsthour_nurture_endpoints_disabled",
        _ANY,
        lambda of, _: f"the endpoint {of['endpoint']} is disabled",
    )


def _set_aside(service: str, seen: Seen, now: float) -> Iterator[Finding]:
    looked = seen.one("firsthour_rollup_timestamp_seconds")
    if looked is not None and now - looked > _OLD_S:
        since = f"for {duration(now - looked)}" if looked else "yet"
        yield Finding(Level.TROUBLE, f"{service}: Postgres could not be asked {since}")
    yield from _beyond(
        seen,
        "firsthour_consumer_dead_letters_total",
        _ANY,
        lambda of, n: f"{service}: {n:.0f} {of['kind']} dead letters of {of['source']} since it started",
    )


def _slow(seen: Mapping[str, Seen]) -> Iterator[Finding]:
    for service, hop, expected_s in _HOPS:
        found = seen[service].quantile("firsthour_lead_hop_seconds", 0.95, hop=hop)
        if found is not None:
            level = Level.ATTENTION if found > expected_s else Level.WELL
            text = "more than an hour" if math.isinf(found) else f"{duration(found)} or less"
            yield Finding(level, f"95 of 100 leads are {hop} within {text}")
    for service, each in seen.items():
        lag = each.one("firsthour_event_loop_lag_seconds")
        if lag is not None and lag > 1:
            yield Finding(Level.ATTENTION, f"{service}: short of CPU, its event loop is {duration(lag)} late")


def _full(seen: Mapping[str, Seen]) -> Iterator[Finding]:
    ingest = seen["ingest"]
    free, size = (ingest.one(f"firsthour_ingest_disk_{what}_bytes") for what in ("free", "size"))
    if free is not None and size:
        share = free / size
        level = _level(1 - share, (0.8, 0.9))
        yield Finding(level, f"ingest's disk: {share:.0%} free ({free / 2**30:.1f} GiB)")
    limit = ingest.total("firsthour_ingest_spool_limit_bytes")
    if limit and (used := ingest.total("firsthour_ingest_spool_bytes") / limit):
        yield Finding(_level(used, (0.1, 0.5)), f"the spool: {used:.0%} of its limit")
    for service in SERVICES:
        busy, most = (seen[service].one("firsthour_database_connections", state=state) for state in ("busy", "limit"))
        if most and busy is not None and busy >= _MANY_MORE * most:
            yield Finding(Level.ATTENTION, f"{service}: {busy:.0f} of {most:.0f} connections to Postgres are busy")


def duration(seconds: float) -> str:
    """As people say it: 25 ms, 4.2 s, 3 min, 5 h, 2 days."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    for unit, size, most in ((".1f} s", 1, 10), (".0f} s", 1, 120), (".0f} min", 60, 7200), (".0f} h", 3600, 172_800)):
        if seconds < most:
            return f"{{:{unit}".format(seconds / size)
    return f"{seconds / DAY_S:.0f} days"
