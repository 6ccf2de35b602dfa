"""`firsthour dead-letters`: inspect what could not be processed, and send it again once the fault is fixed."""

import asyncio
import base64
import json
import re
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from services.cli.options import AsJson, Config, State, place, settings
from shared.db.services import SERVICES, Service
from shared.events.lanes import LANES
from shared.kafka.records import Kind
from shared.terminal import printable

if TYPE_CHECKING:
    from services.cli.recovery.dead_letter_topic import Letter

_ID = re.compile(rf"({'|'.join(SERVICES)})/({'|'.join(LANES)})/\d{{1,9}}/\d{{1,18}}", re.ASCII)

OfService = Annotated[Service | None, typer.Option("--service", help="scoring or nurture.")]
OfKind = Annotated[
    Kind | None,
    typer.Option("--kind", help="permanent: it can never work; unforeseen: a bug of ours."),
]
OfSource = Annotated[str | None, typer.Option("--source", help="The source that sent it, such as website.")]
Since = Annotated[str | None, typer.Option("--since", help="No older than this: 30m, 24h, 7d.")]
Id: TypeAlias = Annotated[str, typer.Argument(help="As `list` shows it: scoring/live/3/1042.")]
Ids: TypeAlias = Annotated[list[str] | None, typer.Argument(help="As `list` shows them: scoring/live/3/1042 …")]

dead_letters = typer.Typer(
    help="What could not be processed: list it, inspect it, send it again.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@dead_letters.command("list")
def list_(
    service: OfService = None,
    kind: OfKind = None,
    source: OfSource = None,
    since: Since = None,
    config: Config = None,
    state: State = None,
    as_json: AsJson = False,
) -> None:
    """The dead letters, the oldest first: which, when, whose, why, and whether they were sent again.

    Example: firsthour dead-letters list --kind unforeseen --since 24h
    """
    place(config, state)
    found = _found(service, kind, source, since)
    if as_json:
        typer.echo(json.dumps({"items": [_described(letter) for letter in found]}))
        return
    for letter in found:
        again = f"  redriven {letter.redriven_at:%Y-%m-%d %H:%M}" if letter.redriven_at else ""
        line = (
            f"{letter.id}  {letter.failed_at:%Y-%m-%d %H:%M:%S}  {letter.kind}  {letter.source}  {letter.reason}{again}"
        )
        typer.echo(printable(line))
    typer.echo(f"{len(found)} dead letters", err=True)


@dead_letters.command()
def show(letter: Id, config: Config = None, state: State = None, as_json: AsJson = False) -> None:
    """One dead letter with its original bytes (personal data, most likely).

    Example: firsthour dead-letters show scoring/live/3/1042
    """
    place(config, state)
    (found,) = _these([letter])
    text = found.value.decode(errors="backslashreplace")
    if as_json:
        raw = {"key": _base64(found.key), "value": _base64(found.value), "text": text}
        typer.echo(json.dumps(_described(found) | raw))
        return
    for name, value in _described(found).items():
        typer.echo(printable(f"{name + ':':16} {'' if value is None else value}"))
    typer.echo(f"\n{printable(text)}")


@dead_letters.command()
def redrive(
    letters: Ids = None,
    everything: Annotated[bool, typer.Option("--all", help="All that match the options below.")] = False,
    service: OfService = None,
    kind: OfKind = None,
    source: OfSource = None,
    since: Since = None,
    config: Config = None,
    state: State = None,
    as_json: AsJson = False,
) -> None:
    """Send the original bytes again to the topic that they came from, with the same key. Each dead letter once.

    Safe to repeat: the event keeps its id, so nothing is counted or sent twice. What fails again is a new dead letter.

    Example: firsthour dead-letters redrive --all --kind unforeseen --since 24h
    """
    place(config, state)
    if bool(letters) == everything:
        raise typer.BadParameter("name the dead letters, or say --all (with --service, --kind, --source, --since)")
    if letters and any((service, kind, source, since)):
        raise typer.BadParameter("--service, --kind, --source and --since choose among --all")
    from services.cli.recovery.dead_letter_topic import redrive as send_again

    chosen = _these(letters) if letters else _found(service, kind, source, since)
    sent, before = asyncio.run(send_again(settings(), chosen))
    if as_json:
        typer.echo(json.dumps({"redriven": sent, "before": before}))
        return
    for name in sent:
        typer.echo(f"{name}: sent again")
    if before:
        typer.echo(f"{len(before)} had been sent again before", err=True)


def _found(
    service: str | None = None, kind: str | None = None, source: str | None = None, since: str | None = None
) -> "list[Letter]":
    from services.cli.recovery.dead_letter_topic import read
    from shared.clock import utc_now

    earliest = None if since is None else utc_now() - _age(since)
    wanted = {"service": service, "kind": kind, "source": source}
    return [
        letter
        for letter in asyncio.run(read(settings(), since=earliest))
        if all(value is None or getattr(letter, name) == value for name, value in wanted.items())
    ]


def _these(names: list[str]) -> "list[Letter]":
    from shared.errors import FirsthourError

    for name in names:
        if not _ID.fullmatch(name):
            raise typer.BadParameter(f"{name!r} is no dead letter; they look like scoring/live/3/1042")
    known = {letter.id: letter for letter in _found()}
    if missing := [name for name in names if name not in known]:
        raise FirsthourError(f"there is no dead letter {', '.join(missing)}")
    return [known[name] for name in dict.fromkeys(names)]


def _age(text: str) -> timedelta:
    from shared.durations import parse_duration

    try:
        return timedelta(seconds=parse_duration(text).nominal_seconds)
    except ValueError as error:
        raise typer.BadParameter(f"--since: {error}") from None


def _described(letter: "Letter") -> dict[str, Any]:
    """Without what may be personal data."""
    fields = letter._asdict()
    for name in ("key", "value"):
        del fields[name]
    return fields | {
        name: value.isoformat() if (value := fields[name]) else None
        for name in ("failed_at", "first_failed_at", "redriven_at")
    }


def _base64(value: bytes | None) -> str | None:
    return None if value is None else base64.b64encode(value).decode()
