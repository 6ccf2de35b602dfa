"""`firsthour tokens`: who else may use the APIs, and what each may see and do."""

import json
from enum import StrEnum
from typing import Annotated

import typer

from services.cli.options import AsJson, Config, State, place, settings
from shared.errors import FirsthourError

tokens = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Tokens of the APIs: create, list, revoke.")


class ScopeName(StrEnum):
    """What a token may do; each includes those before it."""

    read = "read"
    operate = "operate"
    admin = "admin"


class NoSuchToken(FirsthourError):  # noqa: N818 - reads as what happened
    """There is no token with this id."""


@tokens.command()
def create(
    name: Annotated[str, typer.Argument(help="What it is for; the audit shows it.")],
    scope: Annotated[ScopeName, typer.Option(help="What it may do.")] = ScopeName.read,
    pii: Annotated[bool, typer.Option("--pii", help="It may see e-mail addresses, phone numbers and names.")] = False,
    config: Config = None,
    state: State = None,
    as_json: AsJson = False,
) -> None:
    """Make a token and print it, this once: only its hash is kept.

    Example: firsthour tokens create crm --scope operate --pii
    """
    place(config, state)
    from shared.clock import utc_now
    from shared.tokens import create as make

    name = name.strip()
    if not name or len(name) > 100 or not name.isprintable():  # noqa: PLR2004 - characters
        raise typer.BadParameter("needs a name of 1 to 100 characters", param_hint="NAME")
    text = make(settings().tokens_file(), name, scope.value, pii=pii, now=utc_now())
    typer.echo(json.dumps({"token": text}) if as_json else text)


@tokens.command("list")
def list_(config: Config = None, state: State = None, as_json: AsJson = False) -> None:
    """List the tokens: what each may do and see. The admin token of the state folder is not among them.

    Example: firsthour tokens list
    """
    place(config, state)
    from shared.tokens import read

    found = read(settings().tokens_file())
    if as_json:
        items = [
            {
                "id": each.id,
                "name": each.name,
                "scope": each.scope,
                "pii": each.pii,
                "created": each.created.isoformat(),
            }
            for each in found
        ]
        typer.echo(json.dumps({"items": items}))
        return
    for each in found:
        sees = "pii" if each.pii else "masked"
        typer.echo(f"{each.id}  {each.scope:<8}{sees:<8}{each.created:%Y-%m-%d}  {each.name}")
    if not found:
        typer.echo("no tokens")


@tokens.command()
def revoke(
    token: Annotated[str, typer.Argument(help="Its id, as `firsthour tokens list` shows it.")],
    config: Config = None,
    state: State = None,
    as_json: AsJson = False,
) -> None:
    """Revoke a token; it is refused from the next request on.

    Example: firsthour tokens revoke 1a2b3c4d
    """
    place(config, state)
    from shared.tokens import revoke as take_away

    if not take_away(settings().tokens_file(), token):
        raise NoSuchToken("there is no token with this id")
    typer.echo(json.dumps({"revoked": token}) if as_json else f"{token} is revoked")
