"""What is open off this machine, and what a page of ours loads."""

import asyncio
import csv
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from demo.landed import Landed
from demo.sinks import Receiver
from services.ingest.domain.sheets.cells import as_text, from_text
from services.ingest.importing.refusals import Refusals
from services.ingest.importing.work import Refusal
from shared.http.api_page import install_api_page
from shared.http.auth import Tokens
from shared.runtime.service import Service, serving
from tests.malformed.target import Target

TOKEN = "of-the-admin"


def test_the_page_of_an_api_loads_nothing_and_runs_nothing(target: Target) -> None:
    answer = target.request("GET", "/docs")
    assert answer.status == 200
    page = answer.body.decode()
    assert not re.search(r"<(script|img|iframe|link|object|embed)\b|<[^>]*\ssrc=|@import|url\(|https?:", page)
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "/v1/leads" in page
    assert target.request("GET", "/openapi.json").status == 200


@pytest.mark.parametrize("key", ["", "Bearer wrong", "Basic d3Jvbmc6", "Bearer"])
async def test_a_token_is_checked_before_a_body_is_read(key: str) -> None:
    app = FastAPI(docs_url=None)

    @app.post("/v1/tasks")
    async def task(told: dict[str, str]) -> dict[str, str]:
        return told

    service = Service(Tokens(TOKEN).first(app))
    async with serving(service, host="127.0.0.1", port=0) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        authorization = f"Authorization: {key}\r\n" if key else ""
        writer.write(f"POST /v1/tasks HTTP/1.1\r\nHost: x\r\n{authorization}Content-Length: 1000000\r\n\r\n".encode())
        async with asyncio.timeout(5):
            assert (await reader.readline()).startswith(b"HTTP/1.1 401")
        writer.close()
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:
            known = {"Authorization": f"Bearer {TOKEN}"}
            assert (await http.post("/v1/tasks", json={"a": "b"}, headers=known)).json() == {"a": "b"}
            assert (await http.get("/v1/unheard-of")).status_code == 401, "nor is told which paths there are"


@asynccontextmanager
async def sinks(token: str | None) -> AsyncIterator[httpx.AsyncClient]:
    async with (
        serving(Service(Receiver(Landed(), {}, token)), host="127.0.0.1", port=0) as port,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http,
    ):
        yield http


@pytest.mark.parametrize("path", ["/", "/mails.json", "/webhooks.json"])
async def test_the_demo_s_mailbox_is_for_this_machine_and_else_for_who_has_the_token(path: str) -> None:
    async with sinks(None) as here:
        assert (await here.get(path)).status_code == 200
        for host in ("evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80", ""):
            assert (await here.get(path, headers={"Host": host})).status_code == 403
    async with sinks(TOKEN) as anywhere:
        assert (await anywhere.get(path)).status_code == 401
        assert (await anywhere.get(path, headers={"Authorization": "Bearer wrong"})).status_code == 401
        assert (await anywhere.get(path, auth=("me", "wrong"))).status_code == 401
        assert (await anywhere.get(path, auth=("me", TOKEN))).status_code == 200
        assert (await anywhere.get("/healthz")).status_code == 200


def test_a_refused_row_is_no_formula_and_comes_back_as_it_was(tmp_path: Path) -> None:
    row = ['=HYPERLINK("https://evil.example")', "+44 1632", "-1", "@SUM(1)", "\tx", "plain", "", "'quoted"]
    refusals = Refusals(tmp_path / "x.csv", delimiter=",", names=["=a", *"bcdefgh"], size=0)
    refusals.add([Refusal(2, "/email: is no address", row)])
    refusals.close()
    _head, written = list(csv.reader((tmp_path / "x.csv").read_text("utf-8-sig").splitlines()))
    assert not [cell for cell in [*_head, *written] if cell.startswith(("=", "+", "-", "@", "\t"))]
    assert [from_text(cell) for cell in written[2:]] == row
    assert from_text(as_text("'=x")) == "=x", "what a sheet had made text already is text"


def test_an_app_without_its_own_page_has_ours() -> None:
    app = FastAPI(docs_url=None)
    install_api_page(app)
    assert "/docs" in {route.path for route in app.routes}  # type: ignore[attr-defined]
