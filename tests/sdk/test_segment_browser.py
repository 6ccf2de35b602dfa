"""Segment's own SDK for the browser, unchanged, in a real one: its settings and its events come from and go to ingest."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from playwright.async_api import Browser, Page

from shared.runtime.service import Service, serving
from tests.sdk.ingest import Ingest, running

PAGE = '<!doctype html><title>Shop</title><link rel="icon" href="data:,"><script src="/index.js"></script>'
LOAD = """
async ([url, writeKey, options]) => {
  window.analytics = AnalyticsNext.AnalyticsBrowser.load({writeKey, cdnURL: url}, options)
  await analytics.page('docs', 'Home')
  await analytics.identify('u-1', {email: 'Ada@Example.com', firstName: 'Ada'})
  await analytics.track('Order Completed', {order_id: 'o-1', total: 30.5, currency: 'EUR'})
  await analytics.track('Signed Up', {plan: 'pro'})
  await analytics.group('g-1', {name: 'Engines'})
  await analytics.alias('u-2', 'u-1')
}
"""
BATCHING = {
    "integrations": {
        "Segment.io": {"deliveryStrategy": {"strategy": "batching", "config": {"size": 6, "timeout": 200}}}
    }
}


class Site(NamedTuple):
    page: Page
    origin: str
    asked: list[str]
    complaints: list[str]


@asynccontextmanager
async def visited(browser: Browser, sdk: Path) -> AsyncIterator[Site]:
    """A page of another origin than ingest's, with Segment's SDK as it is published."""

    async def site(scope: dict[str, Any], _receive: Any, send: Any) -> None:
        path = scope["path"]
        body = PAGE.encode() if path == "/" else (sdk / path.lstrip("/")).read_bytes()
        kind = b"text/html" if path == "/" else b"text/javascript"
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", kind)]})
        await send({"type": "http.response.body", "body": body})

    async with serving(Service(site), host="127.0.0.1", port=0) as port, AsyncExitStack() as parts:
        context = await browser.new_context(locale="de-AT")
        parts.push_async_callback(context.close)
        page = await context.new_page()
        asked: list[str] = []
        complaints: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        origin = f"http://localhost:{port}"
        yield Site(page, origin, asked, complaints)


@pytest.mark.parametrize(("options", "path"), [({}, "/v1/t"), (BATCHING, "/v1/b")])
async def test_every_call_arrives_and_nothing_goes_elsewhere(
    kafka: str, topic_prefix: str, tmp_path: Path, node: Path, browser: Browser, options: Any, path: str
) -> None:
    sdk = node / "node_modules" / "@segment" / "analytics-next" / "dist" / "umd"
    async with visited(browser, sdk) as site, running(kafka, topic_prefix, tmp_path, origin=site.origin) as ingest:
        await site.page.goto(f"{site.origin}/?utm_source=google&gclid=g-1")
        await site.page.evaluate(LOAD, [ingest.url, ingest.key("page"), options])
        events = await ingest.events(6)
        asked = [url.removeprefix(ingest.url) for url in site.asked if not url.startswith((site.origin, "data:"))]
    assert site.complaints == []
    assert f"/v1/projects/{ingest.key('page')}/settings" in asked
    assert path in asked
    assert not [url for url in asked if not url.startswith("/v1/")], "nobody else is told"
    found = sorted((event.type, getattr(data, "kind", "")) for event, data in events)
    assert found == [
        ("contact.identified", ""), ("contact.identified", ""), ("contact.identified", ""),
        ("engagement.recorded", "order_completed"), ("engagement.recorded", "page_viewed"), ("lead.captured", ""),
    ], "a key that stands in a page makes no purchase"  # fmt: skip
    viewed = next(data for _, data in events if getattr(data, "kind", "") == "page_viewed")
    assert (viewed.campaign.source, viewed.campaign.gclid) == ("google", "g-1")
    lead = next(data for event, data in events if event.type == "lead.captured")
    assert (lead.identity.user_id, lead.traits["locale"], lead.traits["plan"]) == ("u-1", "de-AT", "pro")
    assert lead.identity.anonymous_id == viewed.identity.anonymous_id
    assert {event.source for event, _ in events} == {"/sources/page"}


async def settings(ingest: Ingest, key: str, **headers: str) -> httpx.Response:
    return await ingest.http.get(f"/v1/projects/{key}/settings", headers=headers)


async def test_the_settings_name_the_host_that_was_asked(kafka: str, topic_prefix: str, tmp_path: Path) -> None:
    async with running(kafka, topic_prefix, tmp_path) as ingest:
        key = ingest.key("page")
        answer = await settings(ingest, key, Host="ingest.example.com", Origin="https://example.com")
        segment = answer.json()["integrations"]["Segment.io"]
        assert (segment["apiKey"], segment["apiHost"], segment["protocol"]) == (key, "ingest.example.com/v1", "http")
        assert answer.headers["access-control-allow-origin"] == "https://example.com"
        made_up = await settings(ingest, key, **{"X-Forwarded-Proto": "https"})
        assert made_up.json()["integrations"]["Segment.io"]["protocol"] == "http", "nobody's word is taken"
        odd = await settings(ingest, key, Host="<script>")
        assert odd.status_code == 400 or "<script>" not in odd.text
        elsewhere = await settings(ingest, key, Origin="https://evil.example")
        assert "access-control-allow-origin" not in elsewhere.headers
        assert (await settings(ingest, ingest.key("app"), Origin="https://a.example")).status_code == 200
        for unknown in ("nonsense", ingest.key("erp"), "%00", "é"):
            refused = await settings(ingest, unknown)
            assert refused.status_code == 404
            assert refused.headers["content-type"] == "application/problem+json"


async def test_the_settings_name_the_scheme_that_a_trusted_proxy_tells(
    kafka: str, topic_prefix: str, tmp_path: Path
) -> None:
    async with running(kafka, topic_prefix, tmp_path, ingest_trusted_proxies=["127.0.0.0/8"]) as ingest:
        for told, scheme in (("https", "https"), ("HTTPS, http", "https"), ("gopher", "http"), ("", "http")):
            answer = await settings(ingest, ingest.key("page"), **{"X-Forwarded-Proto": told})
            assert answer.json()["integrations"]["Segment.io"]["protocol"] == scheme


async def test_the_settings_name_the_public_address_where_there_is_one(
    kafka: str, topic_prefix: str, tmp_path: Path
) -> None:
    public = "https://in.example.com/leads/"
    async with running(kafka, topic_prefix, tmp_path, ingest_public_url=public) as ingest:
        segment = (await settings(ingest, ingest.key("page"))).json()["integrations"]["Segment.io"]
        assert (segment["protocol"], segment["apiHost"]) == ("https", "in.example.com/leads/v1")
