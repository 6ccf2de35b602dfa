"""SQL of learnt models: every version ever fitted, and which are in force."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.scoring.domain.model.learnt import Kind
from services.scoring.domain.model.queue_settings import FittedCurve, ResponseCurve
from shared.db.named import named

_COLUMNS = "version, kind, state, parameters, metrics, rows, trained_until, made_at, chosen_at, said"
_IN_FORCE = sa.text("""
    SELECT m.version, s.step FROM models m LEFT JOIN model_steps s USING (version)
    WHERE m.state = 'champion' ORDER BY m.kind
""")
_CHAMPIONS = sa.text(f"SELECT {_COLUMNS} FROM models WHERE state = 'champion'")  # noqa: S608 - columns of ours
_ALL = sa.text(f"""
    SELECT {_COLUMNS} FROM models WHERE CAST(:kind AS text) IS NULL OR kind = :kind
    ORDER BY made_at DESC, version LIMIT :limit
""")  # noqa: S608
_ONE = sa.text(f"SELECT {_COLUMNS} FROM models WHERE version = :version")  # noqa: S608
_BEFORE = sa.text(f"""
    SELECT {_COLUMNS} FROM models WHERE kind = :kind AND state <> 'champion' AND chosen_at IS NOT NULL
        AND chosen_at < (SELECT chosen_at FROM models WHERE kind = :kind AND state = 'champion')
    ORDER BY chosen_at DESC LIMIT 1
""")  # noqa: S608
_ADD = sa.text("""
    INSERT INTO models (version, kind, state, parameters, metrics, rows, trained_until, made_at, said)
    VALUES (:version, :kind, 'challenger', :parameters, CAST(:metrics AS jsonb), :rows, :trained_until, :made_at, :said)
    ON CONFLICT (version) DO UPDATE SET metrics = excluded.metrics, rows = excluded.rows, said = excluded.said,
        trained_until = excluded.trained_until, made_at = excluded.made_at
""")
_RETIRE = sa.text("UPDATE models SET state = 'retired' WHERE kind = :kind AND state = :state AND version <> :version")
_CHOOSE = sa.text("UPDATE models SET state = 'champion', chosen_at = :now WHERE version = :version")
_LAST_FIT = sa.text("SELECT kind, at FROM fits")
_NOTE = sa.text("""
    INSERT INTO fits (kind, at, said) VALUES (:kind, :at, :said)
    ON CONFLICT (kind) DO UPDATE SET at = excluded.at, said = excluded.said
""")
_STEP = sa.text("SELECT version, step, parameters, leads, bought, at FROM model_steps WHERE version = :version")
_NOTE_STEP = sa.text("""
    INSERT INTO model_steps (version, step, parameters, leads, bought, at)
    VALUES (:version, :step, :parameters, :leads, :bought, :at)
    ON CONFLICT (version) DO UPDATE SET step = excluded.step, parameters = excluded.parameters, leads = excluded.leads,
        bought = excluded.bought, at = excluded.at
""")
_CURVES = sa.text("SELECT curve, phi, tau, beta, steepness, low, high, answers, bought, made_at FROM response_fits")
_FORGET_CURVES = sa.text("DELETE FROM response_fits")
_NOTE_CURVE = sa.text("""
    INSERT INTO response_fits (curve, phi, tau, beta, steepness, low, high, answers, bought, made_at)
    VALUES (:curve, :phi, :tau, :beta, :steepness, :low, :high, :answers, :bought, :made_at)
""")
_ONE_AT_A_TIME = sa.text("SELECT pg_try_advisory_xact_lock(hashtext('firsthour models fit'))")


@dataclass(frozen=True, slots=True)
class StoredModel:
    """One version. `metrics`: of what its fit had not seen. `chosen_at`: when it last came in force."""

    version: str
    kind: Kind
    state: str
    parameters: str
    metrics: Mapping[str, Any]
    rows: int
    trained_until: datetime
    made_at: datetime
    chosen_at: datetime | None
    said: str


class StoredStep(NamedTuple):
    """What a lead model has learnt online since its fit: from so many leads, of whom so many bought."""

    version: str
    step: str
    parameters: str
    leads: int
    bought: int
    at: datetime


def _model(row: Any) -> StoredModel:
    fields = row._asdict()
    metrics = fields["metrics"]
    return StoredModel(**fields | {"metrics": json.loads(metrics) if isinstance(metrics, str) else metrics})


async def in_force(conn: AsyncConnection) -> tuple[tuple[str, str | None], ...]:
    """The versions in force, at most one of each kind, each with the online step that it has come to."""
    return tuple((row.version, row.step) for row in await conn.execute(_IN_FORCE))


async def step(conn: AsyncConnection, version: str) -> StoredStep | None:
    """What this version has learnt online."""
    row = (await conn.execute(_STEP, {"version": version})).one_or_none()
    return named(StoredStep, row) if row is not None else None


async def note_step(conn: AsyncConnection, noted: StoredStep) -> None:
    """Store what a version has learnt online, in place of its step before."""
    await conn.execute(_NOTE_STEP, noted._asdict())


async def champions(conn: AsyncConnection) -> dict[Kind, StoredModel]:
    """The models in force, by kind."""
    return {row.kind: _model(row) for row in await conn.execute(_CHAMPIONS)}


async def newest(conn: AsyncConnection, limit: int, kind: Kind | None = None) -> list[StoredModel]:
    """The latest fits of one kind or both, the newest first."""
    return [_model(row) for row in await conn.execute(_ALL, {"limit": limit, "kind": kind})]


async def one(conn: AsyncConnection, version: str) -> StoredModel | None:
    row = (await conn.execute(_ONE, {"version": version})).one_or_none()
    return _model(row) if row is not None else None


async def before(conn: AsyncConnection, kind: Kind) -> StoredModel | None:
    """The champion before the present one of its kind; None when there was none, or is none now."""
    row = (await conn.execute(_BEFORE, {"kind": kind})).one_or_none()
    return _model(row) if row is not None else None


async def add(conn: AsyncConnection, model: StoredModel) -> None:
    """Store a fit as the challenger of its kind, and retire the one before."""
    await conn.execute(_RETIRE, {"kind": model.kind, "state": "challenger", "version": model.version})
    given = {
        name: getattr(model, name)
        for name in ("version", "kind", "parameters", "rows", "trained_until", "made_at", "said")
    }
    await conn.execute(_ADD, given | {"metrics": json.dumps(dict(model.metrics), allow_nan=False)})


async def choose(conn: AsyncConnection, kind: Kind, version: str | None, now: datetime) -> None:
    """Put a version in force in place of the present one of its kind; None: none, the settings alone."""
    await conn.execute(_RETIRE, {"kind": kind, "state": "champion", "version": version or ""})
    if version is not None:
        await conn.execute(_CHOOSE, {"version": version, "now": now})


async def last_fits(conn: AsyncConnection) -> dict[Kind, datetime]:
    """When a fit of each kind was last tried."""
    return {row.kind: row.at for row in await conn.execute(_LAST_FIT)}


async def note_fits(conn: AsyncConnection, kinds: Sequence[Kind], at: datetime, said: str) -> None:
    """Note that a fit was tried, and its result."""
    for kind in kinds:
        await conn.execute(_NOTE, {"kind": kind, "at": at, "said": said})


async def curves(conn: AsyncConnection) -> dict[str, FittedCurve]:
    """The response curves as they were last fitted, by their names."""
    return {
        row.curve: FittedCurve(
            ResponseCurve(row.phi, row.tau, row.beta),
            row.steepness, row.low, row.high, row.answers, row.bought, row.made_at,
        )
        for row in await conn.execute(_CURVES)
    }  # fmt: skip


async def note_curves(conn: AsyncConnection, fitted: Mapping[str, FittedCurve]) -> None:
    """Store them in place of those before."""
    await conn.execute(_FORGET_CURVES)
    for name, each in fitted.items():
        said = {field: getattr(each, field) for field in ("steepness", "low", "high", "answers", "bought", "made_at")}
        curve = {"curve": name, "phi": each.set.phi, "tau": each.set.tau, "beta": each.set.beta}
        await conn.execute(_NOTE_CURVE, curve | said)


async def alone(conn: AsyncConnection) -> bool:
    """Whether this process alone fits models now, until the transaction ends."""
    return bool((await conn.execute(_ONE_AT_A_TIME)).scalar_one())
