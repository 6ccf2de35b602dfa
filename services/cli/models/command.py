"""`firsthour models`: what was learnt, what is in force, and how to change it."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from services.cli.options import AsJson, Config, State, place, settings
from shared.errors import FirsthourError
from shared.events.stages import Account

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from services.scoring.store.models import StoredModel

OneKind = Annotated[Account | None, typer.Option("--kind", help="lead or customer; default: both.")]
Version = Annotated[str, typer.Argument(help="A version of `firsthour models list`.")]
T = TypeVar("T")

models = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="The models learnt from past data.")


class NoSuchModel(FirsthourError):  # noqa: N818 - reads as what happened
    """There is no such version, or none before it."""


@models.command("list")
def list_(config: Config = None, state: State = None, as_json: AsJson = False) -> None:
    """The latest fits, the newest first: which is in force, and what each is worth.

    Example: firsthour models list
    """
    from services.scoring.store import models as store

    place(config, state)
    found = _asked(lambda conn: store.newest(conn, 50))
    if as_json:
        typer.echo(json.dumps({"models": [_object(each) for each in found]}))
        return
    for each in found:
        typer.echo(f"{each.version}  {each.state:<10}  {each.made_at:%Y-%m-%d %H:%M}  {each.rows:>8}  {each.said}")
    if not found:
        typer.echo("nothing has been learnt yet; only the settings in scoring.yaml count (see `firsthour models fit`)")


@models.command()
def show(version: Version, config: Config = None, state: State = None, as_json: AsJson = False) -> None:
    """One version: its numbers, and how it did on what its fit had not seen.

    Example: firsthour models show lead-0123456789ab
    """
    place(config, state)
    model = _asked(lambda conn: _known(conn, version))
    shown = _object(model) | {"metrics": dict(model.metrics), "parameters": json.loads(model.parameters)}
    typer.echo(json.dumps(shown, indent=None if as_json else 2))


@models.command()
def fit(kind: OneKind = None, config: Config = None, state: State = None, as_json: AsJson = False) -> None:
    """Refit from everything stored. The fit is put to use only if it beats the one in force on data new to both.

    Example: firsthour models fit --kind lead
    """
    place(config, state)
    from services.scoring.domain.model.learnt import KINDS
    from services.scoring.training.fit import fit_all

    given = settings()
    fitted = asyncio.run(fit_all(given.database_url(), given.config, KINDS if kind is None else (kind,)))
    if as_json:
        said = [
            {"kind": each.kind, "version": each.version, "in_force": each.in_force, "said": each.said}
            for each in fitted
        ]
        typer.echo(json.dumps({"fitted": said}))
        return
    for each in fitted:
        what = "nothing fitted" if each.version is None else each.version
        typer.echo(f"{each.kind}: {what}{', in force from now on' if each.in_force else ''}: {each.said}")


@models.command()
def use(version: Version, config: Config = None, state: State = None, as_json: AsJson = False) -> None:
    """Put a version in force. Everybody is revalued in the background, booked as `model`.

    Example: firsthour models use lead-0123456789ab
    """
    place(config, state)

    async def chosen(conn: "AsyncConnection") -> None:
        model = await _known(conn, version)
        await _choose(conn, model.kind, version)

    _asked(chosen)
    _say(as_json, f"{version} is in force", in_force=version)


@models.command()
def rollback(
    kind: Annotated[Account, typer.Option("--kind", help="lead or customer.")],
    config: Config = None,
    state: State = None,
    as_json: AsJson = False,
) -> None:
    """Put back what was in force before; before the first model that is `scoring.yaml` alone.

    Example: firsthour models rollback --kind lead
    """
    from services.scoring.store import models as store

    place(config, state)

    async def put_back(conn: "AsyncConnection") -> "tuple[str | None, str | None]":
        champion = (await store.champions(conn)).get(kind)
        if champion is None:
            raise NoSuchModel(f"no learnt {kind} model is in force")
        before = await store.before(conn, kind)
        await _choose(conn, kind, before.version if before is not None else None)
        return champion.version, before.version if before is not None else None

    gone, version = _asked(put_back)
    _say(as_json, f"{gone} is no longer in force; {version or 'scoring.yaml alone'} is", in_force=version)


def _asked(work: "Callable[[AsyncConnection], Awaitable[T]]") -> T:
    from services.cli.service_database import connected

    async def ask() -> T:
        async with connected(settings().database_url(), "scoring") as conn:
            return await work(conn)

    return asyncio.run(ask())


async def _known(conn: "AsyncConnection", version: str) -> "StoredModel":
    from services.scoring.store import models as store

    model = await store.one(conn, version)
    if model is None:
        raise NoSuchModel(f"there is no model {version}; see `firsthour models list`")
    return model


async def _choose(conn: "AsyncConnection", kind: Account, version: str | None) -> None:
    from services.scoring.store import models as store
    from shared.clock import utc_now

    await store.choose(conn, kind, version, utc_now())


def _object(model: "StoredModel") -> dict[str, Any]:
    return {
        "version": model.version,
        "kind": model.kind,
        "state": model.state,
        "rows": model.rows,
        "trained_until": model.trained_until.isoformat(),
        "made_at": model.made_at.isoformat(),
        "said": model.said,
    }


def _say(as_json: bool, line: str, **said: Any) -> None:
    typer.echo(json.dumps(said) if as_json else line)


__all__: Sequence[str] = ["fit", "models"]
