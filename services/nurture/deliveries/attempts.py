"""Records the outcomes of attempts, by the rules of domain/deliveries/retry.py, with their fallbacks and facts."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from services.nurture.config import Endpoints
from services.nurture.domain.deliveries.delivery import StoredDelivery
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
from services.nurture.store.deliveries.claims import AttemptRow
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


async def record(
    conn: AsyncConnection,
    attempted: Sequence[Attempted],
    *,
    endpoints: Endpoints,
    facts: FactMaker,
    dice: Callable[[], float],
) -> Recorded:
    """Record attempts. An attempt whose lease was lost meanwhile changes nothing."""
    verdicts = [(each, verdict_of(each, endpoints, dice())) for each in attempted]
    records = {each.given.id: (_record(each, verdict), verdict) for each, verdict in verdicts}
    states = await store_claims.record(conn, [one for one, _ in records.values()])
    settled = [
        (replace(one, state=states[identifier]), verdict)
        for identifier, (one, verdict) in records.items()
        if identifier in states
    ]
    changes = Changes()
    for one, verdict in settled:
        kind, ended = _KINDS.get(one.state), _ended(verdict)
        if kind is not None:  # otherwise it is tried again, or was cancelled
            changes.end(
                one.given,
                kind,
                one.finished_at,
                facts=facts,
                reason=one.reason,
                attempt=one.given.attempts + 1,
                fall_back=ended is not None and ended.fall_back,
            )
    await _heed(conn, settled, {each.given.id: each.outcome for each in attempted})
    now = max(one.finished_at for one, _ in records.values())
    written = await write(conn, changes, endpoints=endpoints, facts=facts, now=now)
    return Recorded(settled, written)


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


async def _heed(
    conn: AsyncConnection, settled: Sequence[tuple[AttemptRow, AfterAttempt]], outcomes: Mapping[UUID, Outcome]
) -> None:
    """Disable or throttle endpoints that asked for it, and store whether each is reachable."""
    reached: dict[str, str | None] = {}  # or why it is unreachable
    for one, _ in sorted(settled, key=lambda each: each[0].finished_at):
        answered = answers(outcomes[one.given.id])
        if answered is not None:
            reached[one.given.endpoint] = None if answered else one.reason or "no answer"
    for endpoint, reason in sorted(reached.items()):
        if reason is None:
            await store_endpoints.well(conn, endpoint)
        else:
            await store_endpoints.failing(conn, endpoint, reason)
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
