"""How `/firsthour.js` is served: small, cached, readable from any site."""

import gzip
from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI

from services.ingest.routes import snippet
from shared.runtime.service import Service, serving

PACKED = {"Accept-Encoding": "br, gzip;q=0.5"}
PLAIN = {"Accept-Encoding": "identity"}


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    snippet.install(app)
    async with (
        serving(Service(app), host="127.0.0.1", port=0) as port,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http,
    ):
        yield http


async def test_it_has_at_most_4_kb_on_the_wire(http: httpx.AsyncClient) -> None:
    async with http.stream("GET", "/firsthour.js", headers=PACKED) as answer:
        raw = b"".join([part async for part in answer.aiter_raw()])
    assert answer.headers["content-encoding"] == "gzip"
    assert len(raw) <= 4096
    assert gzip.decompress(raw) == (await http.get("/firsthour.js", headers=PLAIN)).content


async def test_any_site_may_use_it_and_keep_it_for_an_hour(http: httpx.AsyncClient) -> None:
    for method in ("GET", "HEAD"):
        answer = await http.request(method, "/firsthour.js", headers={"Origin": "https://example.com"})
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
        assert answer.headers["cache-control"] == "public, max-age=3600"
        assert answer.headers["access-control-allow-origin"] == "*"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["vary"] == "Accept-Encoding"
        assert bool(answer.content) is (method == "GET")


@pytest.mark.parametrize("encoding", [PACKED, PLAIN])
async def test_a_copy_that_is_the_newest_is_not_sent_again(http: httpx.AsyncClient, encoding: dict[str, str]) -> None:
    etag = (await http.get("/firsthour.js", headers=encoding)).headers["etag"]
    assert etag.startswith('"')
    for given in (etag, f'"other", W/{etag}', "*"):
        answer = await http.get("/firsthour.js", headers=encoding | {"If-None-Match": given})
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", etag)
    assert (await http.get("/firsthour.js", headers=encoding | {"If-None-Match": '"other"'})).status_code == 200


async def test_each_encoding_has_its_own_etag(http: httpx.AsyncClient) -> None:
    packed = await http.get("/firsthour.js", headers=PACKED)
    plain = await http.get("/firsthour.js", headers=PLAIN)
    assert packed.content == plain.content
    assert packed.headers["etag"] != plain.headers["etag"]
    for refused in ("gzip;q=0", "gzip; q=0.000", "br", ""):
        answer = await http.get("/firsthour.js", headers={"Accept-Encoding": refused})
        assert "content-encoding" not in answer.headers


async def test_it_is_served_without_what_only_its_authors_read(http: httpx.AsyncClient) -> None:
    text = (await http.get("/firsthour.js", headers=PLAIN)).text
    assert "//" not in text
    assert "\n " not in text
