"""What the pages say to paste into a site is pasted into one, and a visitor comes by in a real browser."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from playwright.async_api import Browser, Page

from shared.runtime.service import Service, serving
from tests.e2e.docs_examples import Arrivals, Installed, arriving, section
from tests.sdk.conftest import browser, node
from tests.support.waiting import until

__all__ = ["browser", "node"]
pytestmark = pytest.mark.xdist_group("docs")

CONSENT = "Yes, write to me about this."


class Visit(NamedTuple):
    page: Page
    arrivals: Arrivals
    complaints: list[str]


def pasted(documented: Installed, page: str, name: str, language: str) -> list[str]:
    """The section's blocks, with the user's own ingest and key."""
    firsthour = documented.firsthour
    return [
        each.text.replace("https://ingest.example.com", firsthour.url("ingest")).replace(
            "WEBSITE_KEY", firsthour.secret("WEBSITE_KEY")
        )
        for each in section(page, name, language)
    ]


@asynccontextmanager
async def visited(
    documented: Installed, browser: Browser, html: str, files: dict[str, bytes] | None = None
) -> AsyncIterator[Visit]:
    """The user's site with this on its page, and somebody who looks at it."""
    found = {"/": f'<!doctype html><title>Site</title><link rel="icon" href="data:,"><body>{html}'.encode()}
    found |= {"/thanks": b"<!doctype html><title>Thanks</title>", **(files or {})}

    async def site(scope: dict[str, Any], _receive: Any, send: Any) -> None:
        kind = b"text/javascript" if scope["path"].endswith(".js") else b"text/html"
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", kind)]})
        await send({"type": "http.response.body", "body": found.get(scope["path"], b"")})

    async with (
        serving(Service(site), host="127.0.0.1", port=documented.site_port),
        arriving(documented.firsthour) as arrivals,
    ):
        page = await browser.new_page()
        complaints: list[str] = []
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
        await page.goto(documented.site)
        yield Visit(page, arrivals, complaints)
        assert complaints == []


async def test_a_plain_form(documented: Installed, browser: Browser) -> None:
    (form,) = pasted(documented, "forms", "A plain HTML form", "html")
    async with visited(documented, browser, form) as visit:
        await visit.page.get_by_label("E-mail").fill("ada@example.com")
        await visit.page.get_by_label("Message").fill("Hello")
        await visit.page.get_by_label(CONSENT).check()
        await visit.page.get_by_role("button").click()
        await visit.page.get_by_role("heading", name="Thank you").wait_for()
        ((event, lead),) = await visit.arrivals.events(1)
    assert (event.source, lead.identity.email, lead.message) == ("/sources/website", "ada@example.com", "Hello")
    assert (lead.consent.email, lead.consent.wording) == (True, CONSENT)
    assert lead.likelihood_reasons == ["robot_agent"], "a headless browser, and nothing else"


async def test_the_snippet_its_form_and_the_pages_own_calls(documented: Installed, browser: Browser) -> None:
    script, form = pasted(documented, "forms", "The snippet", "html")
    (calls,) = pasted(documented, "forms", "The snippet", "js")
    said: list[str] = []
    async with visited(documented, browser, f"{form}<script>{calls}</script>{script}") as visit:
        visit.page.on("console", lambda message: said.append(message.text))
        await visit.page.wait_for_function("!!firsthour.track")  # before, the form is a plain one
        await visit.page.get_by_label("E-mail").fill("ada@example.com")
        await visit.page.get_by_label(CONSENT).check()
        await visit.page.get_by_role("button").click()
        await visit.page.get_by_role("status").get_by_text("we will call you within the hour").wait_for()
        events = await visit.arrivals.events(4)
    found = sorted((event.type, getattr(data, "kind", "")) for event, data in events)
    assert found == [
        ("contact.identified", ""), ("engagement.recorded", "page_viewed"), ("engagement.recorded", "pricing_compared"),
        ("lead.captured", ""),
    ]  # fmt: skip
    event, lead = next(each for each in events if each[0].type == "lead.captured")
    assert lead.consent.wording == CONSENT
    assert str(event.id) in said


async def test_the_hosted_form_behind_a_link_and_in_an_iframe(documented: Installed, browser: Browser) -> None:
    (html,) = pasted(documented, "forms", "The hosted form", "html")
    async with visited(documented, browser, html) as visit:
        frame = visit.page.frame_locator("iframe")
        await frame.get_by_label("Work e-mail").fill("ada@example.com")
        await frame.get_by_label("What is it about?").select_option("Pricing")
        await frame.get_by_role("button").click()
        await frame.get_by_text("We will call you within the hour").wait_for()
        ((_, framed),) = await visit.arrivals.events(1)
        await visit.page.get_by_role("link", name="Talk to us").click()
        await visit.page.get_by_label("Work e-mail").fill("grace@example.com")
        await visit.page.get_by_label(CONSENT).check()
        await visit.page.get_by_role("button").click()
        await visit.page.get_by_text("We will call you within the hour").wait_for()
        ((_, linked),) = await visit.arrivals.events(1)
    assert (framed.identity.email, framed.interest, framed.form) == ("ada@example.com", "Pricing", "contact")
    assert framed.page == f"{documented.site}/"
    assert (linked.campaign.source, linked.campaign.name, linked.consent.email) == ("newsletter", "spring", True)


async def test_the_forms_function_for_react(documented: Installed, browser: Browser) -> None:
    (send,) = pasted(documented, "forms", "React", "js")
    form = '<form><input name="email"><button>Send</button><p role="status"></p></form>'
    script = """<script>document.forms[0].addEventListener("submit", async (event) => {
      const place = document.querySelector("p"); place.textContent = await send(event) })</script>"""
    async with visited(documented, browser, f"{form}<script>{send}</script>{script}") as visit:
        await visit.page.locator("input").fill("nobody")
        await visit.page.get_by_role("button").click()
        await visit.page.get_by_text("email: An email address must have an @-sign").wait_for()
        assert [each for each in visit.complaints if "422" in each]  # the browser's own line
        visit.complaints.clear()
        await visit.page.locator("input").fill("ada@example.com")
        await visit.page.get_by_role("button").click()
        await visit.page.get_by_text("Thank you.").wait_for()
        ((_, lead),) = await visit.arrivals.events(1)
    assert lead.identity.email == "ada@example.com"


async def test_segments_sdk_in_a_page(documented: Installed, browser: Browser, node: Path) -> None:
    (code,) = pasted(documented, "sending-events", "Segment, in a page", "js")
    _import, _, rest = code.partition("\n")
    umd = node / "node_modules" / "@segment" / "analytics-next" / "dist" / "umd"
    files = {f"/{path.name}": path.read_bytes() for path in umd.glob("*.js")}
    html = f'<script src="/index.js"></script><script type="module">const {{ AnalyticsBrowser }} = AnalyticsNext;{rest}</script>'
    async with visited(documented, browser, html, files) as visit:
        events = await visit.arrivals.events(2)
        await until(lambda: not visit.complaints)
    assert [event.type for event, _ in events] == ["engagement.recorded", "lead.captured"]
    assert events[1][1].identity.email == "ada@example.com"
