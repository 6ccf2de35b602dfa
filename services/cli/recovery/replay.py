"""`firsthour replay`: everything scoring knows of its contacts, rebuilt from the stored events."""

import asyncio
import getpass
import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from services.cli.options import AsJson, Config, State, place, settings

if TYPE_CHECKING:
    from services.scoring.jobs.replay import Report


def replay(
    compare_only: Annotated[bool, typer.Option("--compare-only", help="Report what differs; change nothing.")] = False,
    actor: Annotated[str | None, typer.Option(help="Who does it, for the audit. [the user of this machine]")] = None,
    config: Config = None,
    state: State = None,
    as_json: AsJson = False,
) -> None:
    """Rebuild every contact from its stored events, compare, and correct what differs. Scoring may keep running.

    Nothing is sent because of it. If interrupted, it has changed nothing.

    Example: firsthour replay --compare-only
    """
    place(config, state)
    report = asyncio.run(_replay(actor or getpass.getuser(), compare_only=compare_only, quiet=as_json))
    typer.echo(json.dumps(_as_json(report)) if as_json else "\n".join(_lines(report)))


async def _replay(actor: str, *, compare_only: bool, quiet: bool) -> "Report":
    from services.cli.service_database import connected
    from services.scoring.config import load_scoring
    from services.scoring.jobs.replay import Replaying
    from services.scoring.models import InForce
    from shared.clock import new_id, utc_now
    from shared.db.engine import make_engine
    from shared.db.tables import audit
    from shared.kafka.topics import Topics
    from shared.tokens import Actor

    given = settings()
    models, topics = InForce(load_scoring(given.config)), Topics(given.topic_prefix)
    shown = not quiet and sys.stderr.isatty()

    async def told(done: int, of: int) -> None:
        if shown:
            typer.echo(f"\r{done:,} of {of:,} contacts", nl=done == of, err=True)

    async with connected(given.database_url(), "scoring") as conn:  # says what is wrong where it cannot be reached
        await models.refresh(conn)
    engine = make_engine(
        given.database_url(), application="firsthour-replay", schema="scoring", pool_size=1, patient=True
    )
    try:
        replaying = Replaying(engine, models, topics.events_bulk, utc_now, new_id, told)
        return await replaying.run(Actor(actor, audit.COMMAND), compare_only=compare_only)
    finally:
        await engine.dispose()


def _as_json(report: "Report") -> dict[str, Any]:
    def counted(found: Any) -> dict[str, Any]:
        return {kind: {"contacts": each.many, "some": list(map(str, each.contacts))} for kind, each in found.items()}

    return {
        "contacts": report.contacts,
        "events": report.events,
        "different": report.different,
        "differences": counted(report.kinds),
        "kept": counted(report.kept),
        "booked": dict(report.booked),
        "switched": report.switched,
    }


def _lines(report: "Report") -> list[str]:
    lines = [f"{report.contacts:,} contacts and {report.events:,} events: {report.different:,} contacts differ."]
    for kind, found in report.kinds.items():
        some = f", such as {', '.join(map(str, found.contacts))}" if found.contacts else ""
        lines.append(f"  {kind}: {found.many:,}{some}")
    lines += [f"Kept as they are, {why}: {found.many:,}" for why, found in report.kept.items()]
    if report.switched:
        lines.append("They now match their events; the differences of values are booked as `replay`.")
    elif report.kinds:
        lines.append("Nothing was changed: `firsthour replay` corrects them.")
    return lines
