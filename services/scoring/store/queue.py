"""SQL of the queue: its top, or what follows a place in it, without reading all of it.

Within a step of worth the newest goes first (domain/queue.py). So the occupied steps are read from the index, then of
each as many leads as are asked for and young enough to be among them, and the best of these are the answer.
"""

from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.scoring.domain.contact.contact import moment
from services.scoring.domain.model.model import Model
from services.scoring.domain.queue import HORIZON_MIN, LONGEST_MIN, STEP
from services.scoring.store.contacts.reads import StoredContact
from services.scoring.store.contacts.states import readable

# Not `extract`, which takes half as long again: it is exact, as a numeric.
_AGE: Final = "greatest(0, date_part('epoch', CAST(:now AS timestamptz) - c.waits_since) / 60)"
# `rank` of domain/queue.py; `less` is 0 under overload, else 1.
_RANK: Final = f"""n.at_once * (
    n.phi * (1 - CAST(:less AS float8)) + (1 - n.phi) * (
        power(1 + {_AGE} / n.tau, -n.beta)
        - CAST(:less AS float8) * power(1 + ({_AGE} + {HORIZON_MIN}) / n.tau, -n.beta)
    )
)"""
# The age at which a lead of the step is worth no more than `least`, which its rank never exceeds: the inverse of that
# part of `_RANK`, and a little more, as none may be missed that is on the edge.
_OF_NO_INTEREST: Final = """0.01 + 1.001 * n.tau * (exp(least(100, -ln(greatest(1e-12,
    (b.least / n.at_once - n.phi * (1 - CAST(:less AS float8))) / (1 - n.phi)
)) / n.beta)) - 1)"""
_OF_A_STEP: Final = f"""
    SELECT c.id, c.waits_since, {_RANK} AS rank FROM contacts AS c
    WHERE c.worth IS NOT NULL AND c.curve = n.curve AND c.worth = n.worth AND c.waits_since > n.oldest
        AND (CAST(:source AS text) IS NULL OR c.source = :source)
        AND (CAST(:country AS text) IS NULL OR c.country = :country)
        AND (CAST(:first AS boolean) OR ({_RANK}, c.waits_since, c.id)
            < (CAST(:after_rank AS float8), CAST(:after_since AS timestamptz), CAST(:after_id AS uuid)))
        AND c.id NOT IN (
            SELECT contact_id FROM claims WHERE ended_at IS NULL AND until > :now
            UNION ALL SELECT k.contact_id FROM claims AS k JOIN contacts AS s ON s.id = k.contact_id
                WHERE k.snoozed_until > :now AND k.ended_at >= s.waits_since  -- whoever has asked anew since is back
        )
    ORDER BY c.waits_since DESC, c.id DESC
"""  # noqa: S608 - words of ours
# Each occupied step is one descent into the index, from the step before. The best N leads are on the N steps whose
# first leads are best, and none of them ranks below the last of those.
_TOP = sa.text(f"""
    WITH RECURSIVE occupied AS (
        (SELECT curve, worth FROM contacts WHERE worth IS NOT NULL ORDER BY curve DESC, worth DESC LIMIT 1)
        UNION ALL
        SELECT n.curve, n.worth FROM occupied AS o CROSS JOIN LATERAL (
            SELECT curve, worth FROM contacts WHERE worth IS NOT NULL AND (curve, worth) < (o.curve, o.worth)
            ORDER BY curve DESC, worth DESC LIMIT 1
        ) AS n
    ), known AS (
        SELECT o.curve, o.worth, power(CAST({STEP} AS float8), o.worth) AS at_once,
            coalesce(own.phi, CAST(:phi AS float8)) AS phi, coalesce(own.tau, CAST(:tau AS float8)) AS tau,
            coalesce(own.beta, CAST(:beta AS float8)) AS beta,
            CAST(:now AS timestamptz) - {LONGEST_MIN} * interval '1 minute' AS oldest
        FROM occupied AS o LEFT JOIN unnest(
            CAST(:curves AS text[]), CAST(:phis AS float8[]), CAST(:taus AS float8[]), CAST(:betas AS float8[])
        ) AS own (curve, phi, tau, beta) USING (curve)
    ), best AS MATERIALIZED (
        SELECT n.*, q.rank FROM known AS n CROSS JOIN LATERAL ({_OF_A_STEP} LIMIT 1) AS q
        ORDER BY q.rank DESC, q.waits_since DESC, q.id DESC LIMIT :limit
    ), bound AS MATERIALIZED (
        SELECT n.curve, n.worth, n.at_once, n.phi, n.tau, n.beta,
            CAST(:now AS timestamptz) - least({LONGEST_MIN}, {_OF_NO_INTEREST}) * interval '1 minute' AS oldest
        FROM best AS n CROSS JOIN (SELECT CASE count(*) WHEN :limit THEN min(rank) END AS least FROM best) AS b
    ), top AS (
        SELECT q.id, q.rank, q.waits_since FROM bound AS n CROSS JOIN LATERAL ({_OF_A_STEP} LIMIT :limit) AS q
        ORDER BY q.rank DESC, q.waits_since DESC, q.id DESC LIMIT :limit
    )
    SELECT top.rank, c.id, c.state, c.updated_at FROM top JOIN contacts AS c USING (id)
    ORDER BY top.rank DESC, top.waits_since DESC, top.id DESC
""")  # noqa: S608 - words of ours


class Place(NamedTuple):
    """A place in the queue: what comes after it is further down."""

    rank: float
    since: datetime
    id: UUID


class Waiting(NamedTuple):
    """Somebody in the queue, and by what it is ordered."""

    rank: float
    contact: StoredContact


async def top(
    conn: AsyncConnection,
    model: Model,
    now: datetime,
    limit: int,
    *,
    overload: bool = False,
    after: Place | None = None,
    source: str | None = None,
    country: str | None = None,
) -> list[Waiting]:
    """Who is waiting at that moment, in order, without those claimed or snoozed."""
    own, others = model.queue.own_curves, model.queue.response
    given = {
        "curves": list(own),
        "phis": [curve.phi for curve in own.values()],
        "taus": [curve.tau for curve in own.values()],
        "betas": [curve.beta for curve in own.values()],
        "phi": others.phi,
        "tau": others.tau,
        "beta": others.beta,
        "now": now,
        "less": 0.0 if overload else 1.0,
        "source": source,
        "country": country,
        "first": after is None,
        "after_rank": float("inf") if after is None else after.rank,
        "after_since": now if after is None else after.since,
        "after_id": UUID(int=0) if after is None else after.id,
    }
    unreadable = 0
    while True:  # once, but for leads that nobody can read: others take their place
        most = limit + unreadable
        rows = list(await conn.execute(_TOP, given | {"limit": most}))
        waiting = [Waiting(row.rank, StoredContact(state, row.updated_at)) for row, state in readable(rows)]
        if len(waiting) >= limit or len(rows) < most:
            return waiting[:limit]
        unreadable = len(rows) - len(waiting)


def place_of(waiting: Waiting) -> Place:
    state = waiting.contact.state
    since = state.waits_since
    assert since is not None
    return Place(waiting.rank, moment(since), state.id)
