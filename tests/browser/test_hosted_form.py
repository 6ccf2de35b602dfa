"""The hosted form, and plain HTML forms of another site, as a person meets them: by mouse, keyboard, phone and screen reader.

Without a script anywhere. What comes of each is read from the topic.
"""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, FrameLocator, Page, expect

from shared.kafka.topics import Topics, create_topics
from tests.browser.site import World
from tests.browser.site import world as running_world

SOURCES = """
sources:
  website: {kind: form, keys: [env:SNIPPET_TEST_KEY], origins: ["%(site)s"]}
  talk:
    kind: form
    origins: ["%(site)s"]
    consent: {wording: "Yes, write to me about <offers>."}
    form:
      title: Talk to us
      intro: Tell us what you need; a person answers within the hour.
      button: Send
      thanks: Ana will call you within the hour.
      inputs:
        - {name: email, label: E-mail, type: email, required: true}
        - {name: name, label: Your name}
        - {name: phone, label: Phone, type: tel, hint: "With the country, such as +44 20 7946 0000"}
        - {name: interest, label: Topic, type: select, options: [Pricing, {value: demo, label: A demonstration}]}
        - {name: message, label: Message, type: textarea}
        - {name: segment, label: none, type: hidden, value: b2b}
  gespraech:
    kind: form
    form:
      title: Sprechen Sie mit uns
      language: de
      button: Senden
      inputs: [{name: mail, label: E-Mail, required: true}, {name: Nachricht, label: Nachricht, type: textarea}]
  going: {kind: form, origins: ["%(site)s"], redirect: "%(site)s/thanks", form: {title: Go, inputs: [{name: email, label: E-mail}]}}
  quick: {kind: form, least_fill_seconds: 60, form: {title: Quick, inputs: [{name: email, label: E-mail}]}}
  few: {kind: form, limits: {source: 1/h}, form: {title: Few, inputs: [{name: email, label: E-mail}]}}
"""
FRAMING = "default-src 'none'; frame-src *; form-action *; style-src 'unsafe-inline'"
PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 844}, "device_scale_factor": 3, "is_mobile": True, "has_touch": True,
}  # fmt: skip
# Of a browser that runs without a window; real ones do not say so.
PERSON = {
    "user_agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36"
}


@pytest.fixture
async def world(kafka: str, topic_prefix: str, tmp_path: Path, browser: Browser) -> AsyncIterator[World]:
    await create_topics(kafka, Topics(topic_prefix), partitions=3, replication=1)
    async with running_world(kafka, topic_prefix, tmp_path, browser, sources=SOURCES) as world:
        world.site.policy = FRAMING
        yield world


async def person(world: World, **options: Any) -> Page:
    return (await world.visitor(**{**PERSON, **options})).page


async def opened(world: World, path: str = "/f/talk", **options: Any) -> Page:
    page = await person(world, **options)
    await page.goto(world.ingest.url + path)
    return page


async def fill(page: Page | FrameLocator, email: str = "ada@example.com") -> None:
    await page.get_by_label("E-mail").fill(email)
    await page.get_by_label("Your name").fill("Ada")
    await page.get_by_label("Topic").select_option("demo")
    await page.get_by_label("Message").fill("Hello,\nworld")


async def violations(page: Page) -> list[str]:
    """What axe finds against WCAG 2.2 AA and good practice."""
    found = (await Axe().run(page)).response["violations"]
    return [f"{each['id']}: {each['nodes'][0]['html']}" for each in found]


async def width_beyond(page: Page) -> int:
    """Pixels that a person would have to scroll sideways for."""
    beyond: int = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return beyond


@pytest.mark.parametrize("scripts", [True, False])
async def test_a_person_fills_it_in_and_it_is_a_lead_with_all_it_said(world: World, scripts: bool) -> None:
    page = await opened(
        world, "/f/talk?utm_source=news&utm_campaign=spring&gclid=g-1&email=x@example.com", java_script_enabled=scripts
    )
    await fill(page)
    await page.get_by_label("Phone").fill("+44 20 7946 0000")
    await page.get_by_label("Yes, write to me about <offers>.").check()
    await expect(page.get_by_text("leave this empty")).not_to_be_in_viewport()
    await page.get_by_role("button", name="Send").click()
    await expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
    await expect(page.get_by_text("Ana will call you within the hour.")).to_be_visible()
    ((event, lead),) = await world.ingest.leads()
    assert (event.source, lead.form, lead.name, lead.interest) == ("/sources/talk", "talk", "Ada", "demo")
    assert (lead.identity.email, lead.identity.phone) == ("ada@example.com", "+442079460000")
    assert lead.message.splitlines() == ["Hello,", "world"]
    assert (lead.campaign.source, lead.campaign.name, lead.campaign.gclid) == ("news", "spring", "g-1")
    assert (lead.consent.email, lead.consent.wording) == (True, "Yes, write to me about <offers>.")
    assert lead.consent.proof.startswith(f"form on {world.ingest.url}/f/talk")
    assert lead.traits["segment"] == "b2b"
    assert set(lead.likelihood_reasons) <= {"filled_in_too_fast"}, "a test types faster than a person"


async def test_a_form_filled_in_at_once_is_less_likely_a_persons(world: World) -> None:
    page = await opened(world, "/f/quick")
    await page.get_by_label("E-mail").fill("ada@example.com")
    await page.get_by_role("button").click()
    await expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
    ((_, lead),) = await world.ingest.leads()
    assert lead.likelihood_reasons == ["filled_in_too_fast"]
    assert lead.human_likelihood < 0.5


async def test_a_robot_that_fills_in_everything_sees_success(world: World) -> None:
    page = await opened(world)
    await fill(page, "robot@example.com")
    await page.locator("[name=_gotcha]").evaluate("field => { field.value = 'buy now' }")
    await page.get_by_role("button", name="Send").click()
    await expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
    ((_, lead),) = await world.ingest.leads()
    assert "honeypot" in lead.likelihood_reasons
    assert lead.human_likelihood < 0.05


async def test_the_keyboard_is_enough(world: World) -> None:
    page = await opened(world)
    keys = page.keyboard
    order = []
    for typed in ("ada@example.com", "Ada", "", "A", "Hello"):
        await keys.press("Tab")
        order.append(await page.evaluate("document.activeElement.name"))
        outline = await page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline == "solid", "where one is has to be seen"
        await keys.type(typed)
    await keys.press("Tab")
    await keys.press("Space")
    await keys.press("Tab")
    assert await page.evaluate("document.activeElement.tagName") == "BUTTON", "nobody tabs into the trap"
    await keys.press("Enter")
    await expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
    assert order == ["email", "name", "phone", "interest", "message"]
    ((_, lead),) = await world.ingest.leads()
    assert (lead.identity.email, lead.name, lead.interest, lead.message) == ("ada@example.com", "Ada", "demo", "Hello")
    assert lead.consent.email is True


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_nothing_on_any_page(world: World, scheme: Any) -> None:
    page = await opened(world, color_scheme=scheme)
    assert await violations(page) == []
    await fill(page, "nobody@nowhere")
    await page.get_by_role("button", name="Send").click()
    await expect(page.get_by_role("alert")).to_be_visible()
    assert await violations(page) == []
    await page.get_by_label("E-mail").fill("ada@example.com")
    await page.get_by_role("button", name="Send").click()
    await expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
    assert await violations(page) == []


async def test_what_is_wrong_is_said_beside_the_field_and_nothing_typed_is_lost(world: World) -> None:
    page = await opened(world, "/f/talk?utm_source=news")
    await fill(page, "nobody@nowhere")
    await page.get_by_label("Yes, write to me").check()
    before = await page.locator("[name=_stamp]").input_value()
    await page.get_by_role("button", name="Send").click()
    await expect(page).to_have_title("Error: Talk to us")
    field = page.get_by_label("E-mail")
    await expect(field).to_be_focused()
    await expect(field).to_have_attribute("aria-invalid", "true")
    await expect(field).to_have_accessible_description(re.compile(r"[a-z]"))
    await expect(page.get_by_role("alert").get_by_role("link", name="E-mail")).to_have_attribute("href", "#f-email")
    await expect(field).to_have_value("nobody@nowhere")
    await expect(page.get_by_label("Message")).to_have_value("Hello,\nworld")
    await expect(page.get_by_label("Topic")).to_have_value("demo")
    await expect(page.get_by_label("Yes, write to me")).to_be_checked()
    assert await page.locator("[name=_stamp]").input_value() == before, "filling in began with the first page"
    await field.fill("ada@example.com")
    await page.get_by_role("button", name="Send").click()
    await expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
    ((_, lead),) = await world.ingest.leads()
    assert (lead.identity.email, lead.campaign.source, lead.consent.email) == ("ada@example.com", "news", True)


async def test_what_was_typed_comes_back_as_text_and_never_as_markup(world: World) -> None:
    page = await opened(world)
    await fill(page, "nobody@nowhere")
    for label in ("Your name", "Message"):
        await page.get_by_label(label).fill("</textarea>\"'><img src=x onerror=alert(1)>")
    await page.get_by_role("button", name="Send").click()
    await expect(page.get_by_role("alert")).to_be_visible()
    await expect(page.get_by_label("Your name")).to_have_value("</textarea>\"'><img src=x onerror=alert(1)>")
    await expect(page.locator("img")).to_have_count(0)


async def test_a_form_of_another_language_says_what_is_wrong_in_it(world: World) -> None:
    page = await opened(world, "/f/gespraech")
    await page.get_by_label("E-Mail").fill("nobody")
    await page.get_by_role("button", name="Senden").click()
    await expect(page).to_have_title("Fehler: Sprechen Sie mit uns")
    await expect(page.get_by_label("E-Mail")).to_have_accessible_description("Bitte prüfen Sie diese Angabe.")
    await page.get_by_label("E-Mail").fill("ada@example.com")
    await page.get_by_role("button", name="Senden").click()
    await expect(page.get_by_role("heading", name="Vielen Dank")).to_be_visible()


async def test_on_a_phone_nothing_is_too_small_or_too_wide(world: World) -> None:
    page = await opened(world, **PHONE)
    assert await width_beyond(page) == 0
    controls = page.locator(
        "input:visible:not([name=_gotcha]):not([type=checkbox]), select, textarea, button, .consent"
    )
    assert await controls.count() == 7
    for control in await controls.all():
        box = await control.bounding_box()
        assert box is not None
        assert box["height"] >= 44
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 390
        size = await control.evaluate("each => parseFloat(getComputedStyle(each).fontSize)")
        assert size >= 16, "or the phone zooms in as one types"
    assert await page.get_by_label("E-mail").get_attribute("type") == "email", "the keyboard with the @"
    assert await page.get_by_label("Phone").get_attribute("autocomplete") == "tel"
    await page.get_by_text("Yes, write to me").tap()
    await expect(page.get_by_label("Yes, write to me")).to_be_checked()
    await fill(page, "nobody@nowhere")
    await page.get_by_role("button", name="Send").tap()
    await expect(page.get_by_role("alert")).to_be_visible()
    assert await width_beyond(page) == 0
    await page.get_by_label("E-mail").fill("ada@example.com")
    await page.get_by_role("button", name="Send").tap()
    await expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
    assert await width_beyond(page) == 0


async def test_within_a_page_of_its_own_site_it_works_as_alone(world: World) -> None:
    world.site.pages["/contact"] = (
        f'<iframe title="Contact" src="{world.ingest.url}/f/talk?utm_source=news" width="360" height="800"></iframe>'
    )
    page = await person(world)
    await page.goto(world.site.origin + "/contact")
    frame = page.frame_locator("iframe")
    await expect(frame.locator("html")).to_have_class("framed")
    await fill(frame, "nobody@nowhere")
    await frame.get_by_role("button", name="Send").click()
    await expect(frame.get_by_role("alert")).to_be_visible()
    await frame.get_by_label("E-mail").fill("ada@example.com")
    await frame.get_by_role("button", name="Send").click()
    await expect(frame.get_by_role("heading", name="Thank you")).to_be_visible()
    ((_, lead),) = await world.ingest.leads()
    assert (lead.page, lead.campaign.source) == (f"{world.site.origin}/", "news")
    assert lead.consent.proof == f"form on {world.site.origin}/"


async def test_a_foreign_site_cannot_put_it_into_a_page(world: World) -> None:
    world.site.pages["/contact"] = f'<iframe src="{world.ingest.url}/f/talk"></iframe>'
    visitor = await world.visitor()
    await visitor.page.goto(world.site.origin.replace("localhost", "127.0.0.1") + "/contact")
    await expect(visitor.page.frame_locator("iframe").get_by_label("E-mail")).to_have_count(0)
    assert any("frame-ancestors" in each for each in visitor.complaints)


async def test_it_goes_where_the_source_says_and_nowhere_else(world: World) -> None:
    world.site.pages["/thanks"] = "<h1>Our own thanks</h1>"
    page = await opened(world, "/f/going?_next=https://evil.example/")
    await page.get_by_label("E-mail").fill("ada@example.com")
    await page.locator("form").evaluate(
        "form => { const next = form.appendChild(document.createElement('input')); next.name = '_next'; next.value = 'https://evil.example/' }"
    )
    await page.get_by_role("button").click()
    await page.wait_for_url(world.site.origin + "/thanks")


async def test_too_much_at_once_is_told_to_a_person_as_a_page(world: World) -> None:
    for heading in ("Thank you", "That did not work just now"):
        page = await opened(world, "/f/few")
        await page.get_by_label("E-mail").fill("ada@example.com")
        await page.get_by_role("button").click()
        await expect(page.get_by_role("heading", name=heading)).to_be_visible()


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "multipart/form-data"])
async def test_a_plain_form_of_another_site_is_a_lead(world: World, kind: str) -> None:
    world.site.pages["/plain"] = f"""
      <form method="post" enctype="{kind}" action="{world.ingest.url}/f/website">
        <label>Mail <input name="E-Mail-Adresse"></label> <label>Vorname <input name="Vorname"></label>
        <label>Nachname <input name="Nachname"></label>
        <label><input type="checkbox" name="tools" value="a"> a</label> <label><input type="checkbox" name="tools" value="b"> b</label>
        <label>CV <input type="file" name="cv"></label> <input type="hidden" name="utm_medium" value="cpc"><button>Send</button>
      </form>"""
    page = await person(world)
    await page.goto(world.site.origin + "/plain?utm_source=in-the-page")
    await page.get_by_label("Mail").fill("grüße@example.com")
    await page.get_by_label("Vorname").fill("Zoë")
    await page.get_by_label("Nachname").fill("Østergård")
    for tool in ("a", "b"):
        await page.get_by_label(tool, exact=True).check()
    await page.get_by_role("button", name="Send").click()
    await expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
    ((_, lead),) = await world.ingest.leads()
    assert (lead.identity.email, lead.name, lead.traits["tools"]) == ("grüße@example.com", "Zoë Østergård", "a, b")
    assert (lead.campaign.medium, lead.page) == ("cpc", f"{world.site.origin}/")


async def test_a_file_in_a_plain_form_is_refused_in_clear_words(world: World) -> None:
    world.site.pages["/plain"] = f"""
      <form method="post" enctype="multipart/form-data" action="{world.ingest.url}/f/website">
        <label>Mail <input name="email" value="ada@example.com"></label> <label>CV <input type="file" name="cv"></label><button>Send</button>
      </form>"""
    page = await person(world)
    await page.goto(world.site.origin + "/plain")
    await page.get_by_label("CV").set_input_files({"name": "cv.pdf", "mimeType": "application/pdf", "buffer": b"%PDF"})
    await page.get_by_role("button", name="Send").click()
    await expect(page.get_by_role("alert")).to_contain_text("cv is a file: files are not taken here")
    assert await violations(page) == []
    await page.go_back()
    await expect(page.get_by_label("Mail")).to_have_value("ada@example.com")


async def test_a_page_that_is_not_listed_cannot_post(world: World) -> None:
    world.site.pages["/plain"] = (
        f'<form method="post" action="{world.ingest.url}/f/talk"><input name="email" value="ada@example.com"><button>Send</button></form>'
    )
    page = await person(world)
    await page.goto(world.site.origin.replace("localhost", "127.0.0.1") + "/plain")
    async with page.expect_navigation() as gone:
        await page.get_by_role("button", name="Send").click()
    answer = await gone.value
    assert answer is not None
    assert answer.status == 403
