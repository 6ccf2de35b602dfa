"""A customer's site on its own port, an ingest that can be stopped and started, and a visitor's browser."""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
from playwright.async_api import Browser, BrowserContext, Page, Request

from services.ingest.app import build
from services.ingest.settings import IngestSettings
from shared.events.envelope import Decoded, decode
from shared.events.identity import derived_event_id
from shared.kafka.topics import Topics
from shared.runtime.service import Service, serving
from shared.secrets import ensure_state_secrets
from tests.support.ingest_service import all_sent
from tests.support.topics import records_on
from tests.support.waiting import until

SOURCES = """
sources:
  website:
    {kind: form, keys: [env:SNIPPET_TEST_KEY], origins: ["%(site)s"], fields: {email: your-email}}
  patient: {kind: form, least_fill_seconds: 0.02}
  redirecting: {kind: form, origins: ["%(site)s"], redirect: "%(site)s/thanks"}
"""
CONTENT_SECURITY_POLICY = "default-src 'none'; img-src data:; script-src INGEST 'nonce-test'; connect-src INGEST"
FORM = """
<form data-firsthour="website">
  <label>E-mail <input name="your-email"></label>
  <label>Name <input name="name"></label>
  <label><input type="checkbox" name="consent"> Yes, write to me.</label>
  <button>Send</button>
  <p data-firsthour-thanks hidden>Thanks, Ada.</p>
</form>
"""


@dataclass
class Site:
    """What the site shows: path → body; every page includes the snippet with `attributes`, under the policy."""

    origin: str = ""
    ingest: str = ""
    key: str = ""
    attributes: str = ""
    head: str = ""
    policy: str = CONTENT_SECURITY_POLICY
    pages: dict[str, str] = field(default_factory=lambda: {"/": "<h1>Home</h1>", "/form": FORM})

    async def __call__(self, scope: dict[str, Any], _receive: Any, send: Any) -> None:
        body = self.pages.get(scope["path"], "")
        text = (
            f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Page {scope["path"]}</title>'
            f'<link rel="icon" href="data:,">{self.head}'
            f'<script async src="{self.ingest}/firsthour.js" data-key="{self.key}" {self.attributes}></script>'
            f"</head><body>{body}</body></html>"
        )
        headers = [(b"content-type", b"text/html; charset=utf-8")]
        headers.append((b"content-security-policy", self.policy.replace("INGEST", self.ingest).encode()))
        await send({"type": "http.response.start", "status": 200 if body else 404, "headers": headers})
        await send({"type": "http.response.body", "body": text.encode()})


class Ingest:
    """An ingest on one port: `start` and `stop` it; what it took is in Kafka."""

    def __init__(self, settings: IngestSettings) -> None:
        self._settings = settings
        self._stack = AsyncExitStack()
        self.port = 0
        self.topics = Topics(settings.topic_prefix)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self, **changed: Any) -> None:
        """With other settings this time, if need be."""
        service = await self._stack.enter_async_context(build(self._settings.model_copy(update=changed)))
        self.port = await self._stack.enter_async_context(serving(service, host="127.0.0.1", port=self.port))

        async with httpx.AsyncClient() as http:

            async def ready() -> bool:
                return (await http.get(f"{self.url}/{'healthz' if changed else 'readyz'}")).status_code == 200

            await until(ready)

    async def stop(self) -> None:
        await self._stack.aclose()

    def id_of(self, message: dict[str, Any]) -> UUID:
        """The event's id that a message of the snippet has to become."""
        who = f"user:/sources/website#public:{message['userId']}" if message.get("userId") else None
        who = who or f"anonymous:/sources/website#public:{message['anonymousId']}"
        return derived_event_id("/sources/website#page", f"{who}\n{message['messageId']}")

    async def records(self) -> list[Decoded]:
        """All that it has accepted, repetitions included."""
        async with httpx.AsyncClient(base_url=self.url) as http:
            await all_sent(http)
        return [decode(record.value) for record in await records_on(self._settings.kafka, self.topics.events)]

    async def events(self, count: int = 0) -> list[Decoded]:
        """The events, each once and in order of time, as soon as there are `count`."""
        found: list[Decoded] = []

        async def there() -> bool:
            nonlocal found
            found = sorted({each[0].id: each for each in await self.records()}.values(), key=lambda each: each[0].time)
            return len(found) >= count

        await until(there, every_s=0.2)
        return found

    async def leads(self, count: int = 1) -> list[Decoded]:
        """The leads, as soon as there are `count`."""
        found: list[Decoded] = []

        async def there() -> bool:
            nonlocal found
            found = [each for each in await self.events() if each[0].type == "lead.captured"]
            return len(found) >= count

        await until(there, every_s=0.2)
        return found


class Visitor:
    """One tab of a person's browser; `complaints` are errors of the page and of its console."""

    def __init__(self, context: BrowserContext, page: Page, site: Site) -> None:
        self.context, self.page, self.site = context, page, site
        self.complaints: list[str] = []
        self._requests: list[Request] = []
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", lambda said: self.complaints.append(said.text) if said.type == "error" else None)
        page.on("request", lambda request: self._requests.append(request))  # noqa: PLW0108 - it takes no builtin

    async def visit(self, path: str = "/") -> None:
        """Open a page of the site; returns when the snippet is there."""
        await self.page.goto(self.site.origin + path)
        await self.until("window.firsthour && firsthour.track")

    async def stored(self) -> dict[str, str]:
        found: dict[str, str] = await self.page.evaluate("({...localStorage})")
        return found

    async def until(self, expression: str) -> None:
        """Wait in here: in the page, its Content-Security-Policy forbids what Playwright does to wait."""
        await until(lambda: self.page.evaluate(f"Boolean({expression})"))

    async def idle(self) -> None:
        """Nothing waits to be sent any more."""
        await self.until(r"!Object.keys(localStorage).some((key) => /\.(lead|message)\./.test(key))")

    def messages(self, path: str) -> list[dict[str, Any]]:
        """What this tab posted to paths of ingest that begin so."""
        wanted = [
            each for each in self._requests if each.method == "POST" and each.url.startswith(self.site.ingest + path)
        ]
        return [json.loads(each.post_data or "null") for each in wanted]

    async def posted(self, path: str, count: int) -> list[dict[str, Any]]:
        """The same, as soon as there are `count`: the browser tells of a request a little after it has made it."""
        await until(lambda: len(self.messages(path)) >= count)
        return self.messages(path)


@dataclass
class World:
    ingest: Ingest
    site: Site
    browser: Browser
    _stack: AsyncExitStack

    async def visitor(self, script: str | None = None, **options: Any) -> Visitor:
        """A new person with an empty browser; `script` runs before each page."""
        context = await self.browser.new_context(**options)
        self._stack.push_async_callback(context.close)
        if script is not None:
            await context.add_init_script(script)
        return Visitor(context, await context.new_page(), self.site)

    async def tab(self, visitor: Visitor) -> Visitor:
        """Another tab of the same person."""
        return Visitor(visitor.context, await visitor.context.new_page(), self.site)


@asynccontextmanager
async def world(
    kafka: str, prefix: str, folder: Path, browser: Browser, *, sources: str = SOURCES
) -> AsyncIterator[World]:
    site = Site()
    async with AsyncExitStack() as stack:
        port = await stack.enter_async_context(serving(Service(site), host="127.0.0.1", port=0))
        site.origin = f"http://localhost:{port}"
        config = folder / "config"
        config.mkdir()
        (config / "sources.yaml").write_text(sources % {"site": site.origin})
        keys = ensure_state_secrets(folder, ["SNIPPET_TEST_KEY"])
        ingest = Ingest(IngestSettings(kafka=kafka, topic_prefix=prefix, config=config, state=folder))
        await ingest.start()
        stack.push_async_callback(ingest.stop)
        site.ingest, site.key = ingest.url, keys["SNIPPET_TEST_KEY"]
        yield World(ingest, site, browser, stack)
