"""Records the outcomes of attempts, by the rules of domain/deliveries/retry.py, with their fallbacks and facts."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeAlias
from uuid import UUID

from msgspec.structs import replace
from sqlalchemy.ext.asyncio import AsyncConnection

from services.nurture.config import Endpoints
from services.nurture.domain.deliveries.delivery import StoredDelivery
from services.nurture.domain.deliveries.fallback import fallback_of
from services.nurture.domain.deliveries.retry import (
    STANDARD_PLAN,
    AfterAttempt,
    Delivered,
    DisableEndpoint,
    GiveUp,
    MaybeSent,
    Outcome,
    RetryAt,
    after_attempt,
    answers,
)
from services.nurture.facts import FactMaker, Kind
from services.nurture.runs.changes import Changes
from services.nurture.runs.writing import Written, write
from services.nurture.store import endpoints as store_endpoints
from services.nurture.store.deliveries import claims as store_claims
from services.nurture.store.deliveries.claims import AttemptRow, Told
from services.nurture.tables import LONGEST_EXCERPT, LONGEST_REASON
from shared import log

_LOG = log.get(__name__)


@dataclass(frozen=True, slots=True)
class Attempted:
    """An attempt that has ended. `status` and `excerpt`: the receiver's response, for people to read."""

    given: StoredDelivery
    started_at: datetime
    ended_at: datetime
    outcome: Outcome
    status: int | None = None
    excerpt: str | None = None


@dataclass(frozen=True, slots=True)
class Recorded:
    """The result: the attempts that were still ours, each with its verdict, and what was written."""

    settled: Sequence[tuple[AttemptRow, AfterAttempt]]
    written: Written

    @property
    def again(self) -> bool:
        """Whether any of them is sent again."""
        return any(one.state == "pending" for one, _ in self.settled)


Judged: TypeAlias = tuple[Attempted, AfterAttempt]


def judged(attempted: Sequence[Attempted], endpoints: Endpoints, dice: Callable[[], float]) -> list[Judged]:
    """Each attempt with the rules' verdict on it."""
    return [(each, verdict_of(each, endpoints, dice())) for each in attempted]


def stand_alone(verdicts: Iterable[Judged]) -> bool:
    """Whether recording them takes one statement, and so no transaction around it: all have arrived."""
    return all(isinstance(verdict, Delivered) for _, verdict in verdicts)


async def record(
    conn: AsyncConnection, verdicts: Sequence[Judged], *, endpoints: Endpoints, facts: FactMaker
) -> Recorded:
    """Record attempts. An attempt whose lease was lost meanwhile changes nothing."""
    records = {each.given.id: (_record(each, verdict), verdict) for each, verdict in verdicts}
    rows = [one for one, _ in records.values()]
    reached = _reached(rows, {each.given.id: each.outcome for each, _ in verdicts})
    states = await store_claims.record(
        conn,
        rows,
        told=[told for one in rows if (told := _told(one, facts)) is not None],
        well={endpoint for endpoint, trouble in reached.items() if trouble is None},
    )
    settled = [
        (replace(one, state=states[identifier]), verdict)
        for identifier, (one, verdict) in records.items()
        if identifier in states
    ]
    if stand_alone(verdicts):
        return Recorded(settled, Written(set(), set()))
    await _heed(conn, settled, reached)
    now = max(one.finished_at for one in rows)
    written = await write(conn, _fallbacks(settled), endpoints=endpoints, facts=facts, now=now)
    return Recorded(settled, written)


def _told(one: AttemptRow, facts: FactMaker) -> Told | None:
    """The fact that follows if the attempt is recorded as it is; None if it is tried again, or notified only a rep."""
    kind = _KINDS.get(one.state)
    if kind is None or one.given.rep is not None:
        return None
    attempt = one.given.attempts + 1
    fact = facts.followup(kind, one.given, one.finished_at, attempt=attempt, reason=one.reason)
    return Told(one.given.id, one.state, fact)


def _fallbacks(settled: Iterable[tuple[AttemptRow, AfterAttempt]]) -> Changes:
    changes = Changes()
    for one, verdict in settled:
        ended = _ended(verdict)
        if ended is None or not ended.fall_back or one.state not in _KINDS:  # not in _KINDS: it was cancelled
            continue
        fallback = fallback_of(one.given.as_new(), one.reason or "", one.finished_at)
        if fallback is not None:
            changes.add(fallback)
    return changes


_KINDS: Final[dict[str, Kind]] = {
    "delivered": "followup.sent",
    "failed": "followup.failed",
    "expired": "followup.expired",
}


def verdict_of(attempted: Attempted, endpoints: Endpoints, jitter: float) -> AfterAttempt:
    """The rules' verdict on an attempt. `jitter` as in `after_attempt`."""
    given = attempted.given
    repeats_unknown = endpoints.channels[given.channel].repeats_unknown
    return after_attempt(
        attempted.outcome,
        given,
        STANDARD_PLAN,
        now=attempted.ended_at,
        jitter=jitter,
        repeats_unknown=repeats_unknown,
    )


def _record(each: Attempted, verdict: AfterAttempt) -> AttemptRow:
    state, wait_s, reason = "delivered", 0.0, None
    ended = _ended(verdict)
    if isinstance(verdict, RetryAt):
        state, reason = "pending", verdict.reason
        wait_s = max(0.0, (verdict.at - each.ended_at).total_seconds())
    elif ended is not None:
        state, reason = ended.state, ended.reason
    outcome = "retry" if state == "pending" else state
    if isinstance(each.outcome, MaybeSent):
        outcome = "unknown"
    return AttemptRow(
        each.given,
        each.started_at,
        each.ended_at,
        state,
        outcome,
        wait_s,
        each.status,
        reason[:LONGEST_REASON] if reason else None,
        _start_of(each.excerpt),
    )


def _start_of(answer: str | None) -> str | None:
    """The part of a response that is kept, in whole characters."""
    return None if answer is None else answer.encode()[:LONGEST_EXCERPT].decode(errors="ignore")


def _ended(verdict: AfterAttempt) -> GiveUp | None:
    if isinstance(verdict, DisableEndpoint):
        return verdict.then
    return verdict if isinstance(verdict, GiveUp) else None


def _reached(rows: Iterable[AttemptRow], outcomes: Mapping[UUID, Outcome]) -> dict[str, str | None]:
    """For each endpoint whether its last attempt reached it: None, or why not."""
    reached: dict[str, str | None] = {}
    for one in sorted(rows, key=lambda each: each.finished_at):
        answered = answers(outcomes[one.given.id])
        if answered is not None:
            reached[one.given.endpoint] = None if answered else one.reason or "no answer"
    return reached


async def _heed(
    conn: AsyncConnection, settled: Sequence[tuple[AttemptRow, AfterAttempt]], reached: Mapping[str, str | None]
) -> None:
    """Disable or throttle endpoints that asked for it, and store which cannot be reached."""
    for endpoint, trouble in sorted(reached.items()):
        if trouble is not None:
            await store_endpoints.failing(conn, endpoint, trouble)
    slow: dict[str, float] = {}
    for one, verdict in settled:
        endpoint = one.given.endpoint
        if isinstance(verdict, DisableEndpoint):
            if await store_endpoints.disable(conn, endpoint, verdict.reason):
                _LOG.error("endpoint_disabled", endpoint=endpoint, reason=verdict.reason)
        elif not isinstance(verdict, Delivered) and verdict.slow_until is not None:
            seconds = (verdict.slow_until - one.finished_at).total_seconds()
            slow[endpoint] = max(slow.get(endpoint, 0.0), seconds)
    for endpoint in sorted(slow):
        await store_endpoints.slow_down(conn, endpoint, slow[endpoint])
