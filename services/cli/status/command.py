"""`firsthour status`: is anybody late, is anything lost or stuck, what is slow, what is about to be full."""

import asyncio
import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from services.cli.options import AsJson, Config, State, place, settings

if TYPE_CHECKING:
    from rich.console import Group

    from services.cli.status.judgement import Answer, Level

_SIGNS = {0: ("✔", "green"), 1: ("!", "yellow"), 2: ("✘", "red")}


def status(
    once: Annotated[bool, typer.Option("--once", help="Look once and exit; otherwise until Ctrl-C.")] = False,
    every: Annotated[float, typer.Option(min=0.5, max=3600, help="Seconds between updates.")] = 5.0,
    ingest: Annotated[str | None, typer.Option(help="Its URL. [http://127.0.0.1:FIRSTHOUR_INGEST_PORT]")] = None,
    scoring: Annotated[str | None, typer.Option(help="Its URL, likewise.")] = None,
    nurture: Annotated[str | None, typer.Option(help="Its URL, likewise.")] = None,
    token: Annotated[
        str | None, typer.Option(help="Sent as a bearer token, for a proxy that requires one: env:NAME or file:/path.")
    ] = None,
    config: Config = None,
    state: State = None,
    as_json: AsJson = False,
) -> None:
    """How the installation is, asked of its services: works with `firsthour run`, Docker, and from afar.

    Exit codes, for monitoring: 0 well, 1 needs attention, 2 trouble.

    Example: firsthour status --once
    """
    place(config, state)
    urls = _urls({"ingest": ingest, "scoring": scoring, "nurture": nurture})
    headers = {} if token is None else {"Authorization": f"Bearer {_secret(token)}"}
    try:
        level = asyncio.run(_show(urls, headers, every=None if once or as_json else every, as_json=as_json))
    except KeyboardInterrupt:
        level = 0
    raise typer.Exit(level)


def _urls(given: dict[str, str | None]) -> dict[str, str]:
    from services.ingest.settings import IngestSettings
    from services.nurture.settings import NurtureSettings
    from services.scoring.settings import ScoringSettings
    from shared.settings import load

    ports = {
        "ingest": lambda: load(IngestSettings).ingest_port,
        "scoring": lambda: load(ScoringSettings).scoring_port,
        "nurture": lambda: load(NurtureSettings).nurture_port,
    }
    return {name: (url or f"http://127.0.0.1:{ports[name]()}").rstrip("/") for name, url in given.items()}


def _secret(reference: str) -> str:
    import os

    from shared.secrets import is_reference, resolve

    if not is_reference(reference):
        raise typer.BadParameter("a reference, env:NAME or file:/path, to keep it out of the shell history")
    return resolve(reference, environment=os.environ, state=settings().state)


async def _show(urls: dict[str, str], headers: dict[str, str], *, every: float | None, as_json: bool) -> int:
    """Look, once or until cancelled; the exit code."""
    import httpx
    from rich.console import Console
    from rich.live import Live

    async with httpx.AsyncClient(headers=headers) as http:
        answers = await _answers(http, urls)
        if as_json:
            sys.stdout.write(json.dumps(_described(answers)) + "\n")
            return _worst(answers)
        console = Console(highlight=False, soft_wrap=True)
        if every is None:
            console.print(_drawn(answers))
            return _worst(answers)
        with Live(_drawn(answers), console=console, auto_refresh=False) as live:
            while True:
                await asyncio.sleep(every)
                live.update(_drawn(await _answers(http, urls)), refresh=True)


async def _answers(http: Any, urls: dict[str, str]) -> "list[Answer]":
    from services.cli.status.figures import look
    from services.cli.status.judgement import judge
    from shared.clock import utc_now

    seen = dict(zip(urls, await asyncio.gather(*(look(http, url) for url in urls.values())), strict=True))
    return judge(seen, utc_now().timestamp())


def _worst(answers: "list[Answer]") -> "Level":
    return max(answer.level for answer in answers)


def _described(answers: "list[Answer]") -> dict[str, Any]:
    return {
        "level": _worst(answers).name.lower(),
        "questions": [
            {
                "question": answer.question,
                "level": answer.level.name.lower(),
                "findings": [{"level": level.name.lower(), "text": text} for level, text in answer.findings],
            }
            for answer in answers
        ],
    }


def _drawn(answers: "list[Answer]") -> "Group":
    from rich.console import Group
    from rich.text import Text

    lines = []
    for answer in answers:
        sign, colour = _SIGNS[answer.level]
        lines.append(Text.assemble((f"{sign} ", colour), (answer.question, "bold")))
        for level, text in sorted(answer.findings, reverse=True):
            lines.append(Text.assemble((f"    {_SIGNS[level][0]} ", _SIGNS[level][1]), text))
    return Group(*lines)
