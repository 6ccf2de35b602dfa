"""Tokens: kept as hashes, shown once, each with what it may do and see; and what is masked tells nobody's name."""

import json
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.security import HTTPAuthorizationCredentials
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from services.cli.main import app
from shared import tokens
from shared.clock import utc_now
from shared.http import masking
from shared.http.auth import Grant, Tokens, needs_pii
from shared.http.problems import Problem
from shared.tokens import TokenFile, TokensUnreadable

ADMIN = "admin-of-this-test"


def bearer(text: str) -> HTTPAuthorizationCredentials:
    return HTTPAuthorizationCredentials(scheme="Bearer", credentials=text)


def made(path: Path, scope: tokens.Scope, *, pii: bool = False) -> str:
    return tokens.create(path, f"a {scope}", scope, pii=pii, now=utc_now())


async def test_a_token_opens_what_it_is_for_until_it_is_revoked(tmp_path: Path) -> None:
    path = tmp_path / "state" / "tokens.json"
    door = Tokens(ADMIN, TokenFile(path))
    reads, operates, rules = made(path, "read"), made(path, "operate", pii=True), made(path, "admin")
    assert await door.read(bearer(reads)) == Grant("read", pii=False, token="a read")
    assert await door.operate(bearer(operates)) == Grant("operate", pii=True, token="a operate")
    assert await door.admin(bearer(rules)) == Grant("admin", pii=True, token="a admin")
    assert await door.admin(bearer(ADMIN)) == Grant("admin", pii=True, token="admin")
    for ask, text in ((door.operate, reads), (door.admin, operates)):
        with pytest.raises(Problem, match="it needs the scope") as refused:
            await ask(bearer(text))
        assert refused.value.status == 403
    identifier = reads.split("_")[1]
    assert tokens.revoke(path, identifier)
    assert not tokens.revoke(path, identifier)
    for text in (reads, f"fht_{operates.split('_')[1]}_guessed", "fht_", "fht", "", "ä"):
        with pytest.raises(Problem) as refused:
            await door.read(bearer(text))
        assert refused.value.status == 401
    assert (await door.read(bearer(operates))).pii


async def test_who_it_is_says_the_header_else_the_token(tmp_path: Path) -> None:
    path = tmp_path / "tokens.json"
    door, token = Tokens(ADMIN, TokenFile(path)), bearer(made(path, "operate"))
    assert await door.actor(token) == ("a operate", "a operate")
    assert await door.actor(token, "Zoë".encode().decode("latin-1")) == ("Zoë", "a operate")
    assert await door.actor(token, " Zo\xeb ") == ("Zoë", "a operate")
    assert await door.actor(token, " ") == ("a operate", "a operate")
    assert isinstance(door.first(FastAPI()), type(lambda: None))


def test_only_hashes_are_kept_and_for_the_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "tokens.json"
    text = made(path, "read")
    assert text.split("_", 2)[2] not in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600
    assert len(text) > 40


async def test_a_broken_file_lets_nobody_in_but_the_admin(tmp_path: Path) -> None:
    path = tmp_path / "tokens.json"
    door, text = Tokens(ADMIN, TokenFile(path)), made(path, "read")
    assert await door.read(bearer(text))
    path.write_text("[{]")
    with pytest.raises(Problem):
        await door.read(bearer(text))
    assert await door.read(bearer(ADMIN))
    with pytest.raises(TokensUnreadable):
        tokens.create(path, "x", "read", pii=False, now=utc_now())
    path.unlink()
    with pytest.raises(Problem):
        await door.read(bearer(text))


def test_the_commands(tmp_path: Path) -> None:
    def run(*arguments: str) -> str:
        done = CliRunner().invoke(app, ["tokens", *arguments, "--state", str(tmp_path)])
        assert done.exit_code == 0, done.output
        return done.output

    assert run("list") == "no tokens\n"
    text = run("create", "crm", "--scope", "operate", "--pii").strip()
    told = json.loads(run("create", "board", "--json"))["token"]
    items = json.loads(run("list", "--json"))["items"]
    assert [(each["name"], each["scope"], each["pii"]) for each in items] == [
        ("crm", "operate", True),
        ("board", "read", False),
    ]
    assert text not in run("list")
    assert "crm" in run("list")
    assert run("revoke", told.split("_")[1]) == f"{told.split('_')[1]} is revoked\n"
    assert len(json.loads(run("list", "--json"))["items"]) == 1
    missing = CliRunner().invoke(app, ["tokens", "revoke", "nothing", "--state", str(tmp_path)])
    assert missing.exit_code == 1
    assert CliRunner().invoke(app, ["tokens", "create", "", "--state", str(tmp_path)]).exit_code == 2


def test_what_is_masked_can_be_told_apart_and_not_read() -> None:
    assert masking.masked_email("ada@example.co.uk") == "a***@e***.uk"
    assert masking.masked_phone("+441632960961") == "+44***61"
    assert masking.masked_name("Ada  King Lovelace") == "A*** K*** L***"
    assert masking.masked_email(None) is masking.masked_phone(None) is masking.masked_name(None) is None
    assert masking.masked_traits({"country": "DE", "vip": True, "first_name": "Ada", "birthday": 18151210}) == {
        "country": "DE",
        "vip": True,
        "first_name": "***",
        "birthday": "***",
    }
    assert masking.masked_identity("user", "/sources/app:u-1") == "/sources/app:u-1"
    assert masking.masked_identity("user", "/sources/app:ada@example.com") == "/***@e***.com"
    assert masking.masked_answer("550 <ada@example.com> unknown") == "***"
    assert masking.masked_answer("answered 500") == "answered 500"
    with pytest.raises(Problem, match="pii"):
        needs_pii(Grant("admin", pii=False, token="x"))


@given(st.emails())
def test_no_masked_address_holds_the_name_or_the_domain(email: str) -> None:
    mailbox, _, domain = email.rpartition("@")
    masked = masking.masked_email(email)
    assert masked is not None
    assert masked.partition("@")[0].removesuffix("***") == mailbox[:1], "a mailbox may itself hold asterisks"
    assert domain not in masked
