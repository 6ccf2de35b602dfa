"""Postgres is away, or has failed over: what waits, and what an API answers."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from pydantic import SecretStr

from services.nurture.app import build as build_nurture
from services.nurture.settings import NurtureSettings
from services.scoring.app import build as build_scoring
from services.scoring.settings import ScoringSettings
from shared.db.engine import make_engine
from shared.db.transient import is_transient
from shared.http.database import install_problems_of_a_database

CONFIG = Path(__file__).parents[3] / "config"
NOBODY = "postgresql://127.0.0.1:1/none"


async def test_the_server_lets_go_of_a_dead_host_within_a_minute(database: str) -> None:
    engine = make_engine(database, application="test", schema="nurture")
    async with engine.connect() as conn:
        names = ("tcp_keepalives_idle", "tcp_keepalives_interval", "tcp_keepalives_count")
        idle, interval, count = [int((await conn.execute(sa.text(f"SHOW {name}"))).scalar_one()) for name in names]
    await engine.dispose()
    assert 0 < idle + interval * count <= 60


async def test_after_a_failover_it_waits_and_looks_for_the_primary(database: str) -> None:
    """A server that is read only, as the old primary is after a failover, and one that is not."""
    name = database.rpartition("/")[2]
    operator = await asyncpg.connect(database)
    await operator.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    engine = make_engine(database, application="test", schema="nurture", pool_size=1)
    write = sa.text("INSERT INTO consumer_halts (lane, cause, reason) VALUES ('bulk', 'failures', '')")
    with pytest.raises(sa.exc.DBAPIError) as caught:
        async with engine.begin() as conn:
            await conn.execute(write)
    assert is_transient(caught.value)
    await operator.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")
    async with engine.begin() as conn:  # on a new connection: the old one is read only for ever
        await conn.execute(write)
    await engine.dispose()
    await operator.close()


@pytest.fixture(params=["scoring", "nurture"])
async def app(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Any]:
    places: dict[str, Any] = {
        "config": CONFIG,
        "state": tmp_path,
        "database": SecretStr(NOBODY),
        "kafka": "127.0.0.1:1",
    }
    (tmp_path / "secrets.env").write_text(
        "".join(f"{name}=whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n" for name in SECRETS)
    )
    async with AsyncExitStack() as parts:
        if request.param == "scoring":
            service = await parts.enter_async_context(
                build_scoring(ScoringSettings(**places, admin_token=SecretStr("t")))
            )
        else:
            service = await parts.enter_async_context(
                build_nurture(NurtureSettings(**places, admin_token=SecretStr("t")))
            )
        yield service.app


SECRETS = set(re.findall(r"env:(\w+)", (CONFIG / "endpoints.yaml").read_text()))


async def test_an_api_answers_503_while_postgres_is_away(app: Any) -> None:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test", timeout=30) as client:
        known = (await client.get("/openapi.json")).json()["paths"]
        paths = [path for path, methods in known.items() if path.startswith("/v1/") and "get" in methods]
        assert paths
        for path in paths:
            asked = re.sub(r"{\w+}", str(uuid4()), path)
            answer = await client.get(asked, headers={"Authorization": "Bearer t"})
            if answer.status_code not in (200, 404, 422):  # of configuration alone, or wanting a query
                assert answer.status_code == 503, (path, answer.text)
                assert answer.headers["retry-after"] == "5"
                assert answer.json()["title"] == "The database does not answer"
        answers = {
            (await client.get(re.sub(r"{\w+}", str(uuid4()), p), headers={"Authorization": "Bearer t"})).status_code
            for p in paths
        }
        assert 503 in answers


async def test_what_is_wrong_with_us_stays_500() -> None:
    app = FastAPI()
    install_problems_of_a_database(app)

    @app.get("/ours")
    async def ours() -> None:
        raise sa.exc.ProgrammingError("SELECT", None, ValueError("ours"))

    @app.get("/theirs")
    async def theirs() -> None:
        await asyncio.sleep(0)
        raise ConnectionRefusedError

    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        assert (await client.get("/ours")).status_code == 500
        assert (await client.get("/theirs")).status_code == 503
