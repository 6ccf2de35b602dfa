"""SQL on enrolments: reading and locking for a batch, and writing by arrays, one statement per table."""

import contextlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from operator import attrgetter
from typing import Final, NamedTuple
from uuid import UUID

import msgspec
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.nurture import tables
from services.nurture.domain.enrolment import Enrolment, decode_enrolment, encode_enrolment
from shared.db.arrays import Rows, by_place
from shared.db.named import named
from shared.db.statement import Statement


class DueEnrolment(NamedTuple):
    """An enrolment that is due, as stored, with the database's clock."""

    id: UUID
    document: bytes
    due_at: datetime
    now: datetime


@dataclass(frozen=True, slots=True)
class Version:
    """A stored version of a workflow."""

    name: str
    version: str
    source: str


UNREADABLE: Final = "what is stored of it cannot be read any more"

_UNSEEN: Final = Statement("DELETE FROM seen_updates WHERE id = ANY(CAST(:ids AS uuid[]))")
_LOCK: Final = Statement("""
    SELECT id, document FROM enrolments WHERE contact_id = ANY(CAST(:contacts AS uuid[])) AND listens
    ORDER BY id FOR NO KEY UPDATE
""")
_LOCK_DUE: Final = sa.text("""
    SELECT id, document, due_at, statement_timestamp() AS now FROM enrolments
    WHERE status = 'active' AND due_at IS NOT NULL AND parked_reason IS NULL
        AND due_at <= LEAST(:until, statement_timestamp())
    ORDER BY due_at, id LIMIT :most FOR NO KEY UPDATE SKIP LOCKED
""")
_LOCK_ONE: Final = sa.text("SELECT document FROM enrolments WHERE id = :id FOR NO KEY UPDATE")
_READ: Final = sa.text("SELECT id, document FROM enrolments WHERE id = ANY(CAST(:ids AS uuid[]))")
_PARKED: Final[Rows[tuple[UUID, str]]] = Rows(tables.enrolments, by_place("id", "parked_reason"))
_PARK: Final = sa.text(f"""
    UPDATE enrolments AS e SET parked_reason = u.parked_reason
    FROM {_PARKED.unnested} WHERE e.id = u.id AND e.status = 'active'
""")  # noqa: S608 - names of columns, no input
# These columns change; the others stay as they were when the enrolment began.
_MOVING: Final[Rows[Enrolment]] = Rows(
    tables.enrolments,
    {
        "id": lambda run: run.id,
        "contact_id": lambda run: run.contact_id,
        "status": lambda run: run.status,
        "listens": lambda run: run.listens,
        "due_at": lambda run: run.due_at,
        "ended_at": lambda run: run.ended_at,
        "window_stopped_at": lambda run: run.window.stopped_at if run.window else None,
        "window_stopped_by": lambda run: run.window.stopped_by if run.window else None,
        "document": encode_enrolment,
    },
)
NEW: Final[Rows[Enrolment]] = Rows(
    tables.enrolments,
    {
        **_MOVING.read,
        "workflow": lambda run: run.workflow,
        "version": lambda run: run.version,
        "triggered_at": lambda run: run.trigger.time,
        "started_at": lambda run: run.started_at,
        "window_opened_at": lambda run: run.window.opened_at if run.window else None,
        "window_closes_at": lambda run: run.window.closes_at if run.window else None,
    },
)
# If it waits for something else now, it has moved past what parked it.
_UPDATE: Final = Statement(f"""
    UPDATE enrolments AS e
    SET {", ".join(f"{name} = u.{name}" for name in _MOVING.read if name != "id")},
        parked_reason = CASE WHEN u.status = 'active' AND u.due_at = e.due_at THEN e.parked_reason END
    FROM {_MOVING.unnested} WHERE e.id = u.id
""")  # noqa: S608 - names of columns, no input
_INSERT: Final = NEW.insert(returning="id")
_KEPT: Final[Rows[Version]] = Rows(
    tables.workflow_versions, {each.name: attrgetter(each.name) for each in fields(Version)}
)
_KEEP_VERSIONS: Final = sa.text(f"{_KEPT.inserted()} ON CONFLICT DO NOTHING")
_WANTED: Final[Rows[tuple[str, str]]] = Rows(tables.workflow_versions, by_place("name", "version"))
_VERSIONS: Final = sa.text(f"""
    SELECT v.name, v.version, v.source FROM workflow_versions AS v JOIN {_WANTED.unnested} USING (name, version)
""")  # noqa: S608 - names of columns, no input
_ACTIVE_VERSIONS: Final = sa.text("""
    SELECT v.name, v.version, v.source FROM workflow_versions AS v
    WHERE EXISTS (
        SELECT FROM enrolments AS e WHERE e.workflow = v.name AND e.version = v.version AND e.status = 'active'
    )
""")
_MISSED: Final = sa.text("""
    UPDATE enrolments SET window_missed_at = statement_timestamp()
    WHERE id IN (
        SELECT id FROM enrolments
        WHERE window_closes_at IS NOT NULL AND window_stopped_at IS NULL AND window_missed_at IS NULL
            AND window_closes_at <= LEAST(:until, statement_timestamp())
        ORDER BY window_closes_at, id LIMIT :most FOR NO KEY UPDATE SKIP LOCKED
    )
    RETURNING id, workflow
""")


async def unseen(conn: AsyncConnection, ids: Sequence[UUID]) -> None:
    """Remove the marks of updates that failed: they may be redriven."""
    await _UNSEEN.run(conn, {"ids": ids})


async def lock_listening(conn: AsyncConnection, contacts: Collection[UUID]) -> list[Enrolment]:
    """Lock and return these contacts' enrolments to which updates still matter; an unreadable one is parked."""
    if not contacts:
        return []
    runs, unreadable = [], {}
    for identifier, document in await _LOCK.rows(conn, {"contacts": list(contacts)}):
        try:
            runs.append(decode_enrolment(document))
        except msgspec.MsgspecError:
            unreadable[identifier] = UNREADABLE
    await park(conn, unreadable)
    return runs


async def lock_one(conn: AsyncConnection, identifier: UUID) -> Enrolment | None:
    """Lock and return one enrolment. Raises msgspec.MsgspecError when it is unreadable."""
    document = (await conn.execute(_LOCK_ONE, {"id": identifier})).scalar_one_or_none()
    return decode_enrolment(document) if document is not None else None


async def read(conn: AsyncConnection, ids: Collection[UUID]) -> dict[UUID, Enrolment]:
    """The readable ones of these enrolments, without locking."""
    found = {}
    if ids:
        for row in await conn.execute(_READ, {"ids": list(ids)}):
            with contextlib.suppress(msgspec.MsgspecError):
                found[row.id] = decode_enrolment(row.document)
    return found


async def lock_due(conn: AsyncConnection, until: datetime, *, most: int) -> list[DueEnrolment]:
    """Lock enrolments due before `until`, by the database's clock; the longest overdue first."""
    return [named(DueEnrolment, row) for row in await conn.execute(_LOCK_DUE, {"until": until, "most": most})]


async def park(conn: AsyncConnection, reasons: Mapping[UUID, str]) -> None:
    """Park locked enrolments: their timers are ignored until nurture restarts."""
    if reasons:
        await conn.execute(_PARK, _PARKED.arrays(list(reasons.items())))


async def update_enrolments(conn: AsyncConnection, runs: Iterable[Enrolment]) -> None:
    """Write changed enrolments, the ended ones first, so that no contact ever has two active ones in a workflow."""
    runs = list(runs)
    for some in ([r for r in runs if r.status != "active"], [r for r in runs if r.status == "active"]):
        if some:
            await _UPDATE.run(conn, _MOVING.arrays(some))


async def insert_enrolments(conn: AsyncConnection, runs: Sequence[Enrolment]) -> set[UUID]:
    """Insert enrolments; return those inserted: another process may have enrolled the contact meanwhile."""
    if not runs:
        return set()
    return {identifier for (identifier,) in await _INSERT.rows(conn, NEW.arrays(runs))}


async def keep_versions(conn: AsyncConnection, versions: Sequence[Version]) -> None:
    """Store versions of workflows that are not stored yet, so that enrolments keep theirs."""
    await conn.execute(_KEEP_VERSIONS, _KEPT.arrays(versions))


async def versions(conn: AsyncConnection, wanted: Collection[tuple[str, str]]) -> list[Version]:
    """These versions (name, version), as far as they are stored."""
    rows = await conn.execute(_VERSIONS, _WANTED.arrays(list(wanted)))
    return [named(Version, row) for row in rows]


async def active_versions(conn: AsyncConnection) -> list[Version]:
    """Every version that an active enrolment uses."""
    return [named(Version, row) for row in await conn.execute(_ACTIVE_VERSIONS)]


async def miss_windows(conn: AsyncConnection, until: datetime, *, most: int) -> list[str]:
    """Note the first-hour clocks that ran out before `until`, nobody having got in touch: their workflows' names."""
    return [row.workflow for row in await conn.execute(_MISSED, {"until": until, "most": most})]
