"""The site snippet in a real browser on a page of another origin, with a real ingest and a real broker behind it.

Every page has a strict Content-Security-Policy; localStorage, cookies, CORS and the network are the browser's own.
"""

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from shared.kafka.topics import Topics, create_topics
from tests.browser.site import FORM, Visitor, World
from tests.browser.site import world as running_world
from tests.support.waiting import until

GPC = "Object.defineProperty(Navigator.prototype, 'globalPrivacyControl', {value: true})"
NO_STORAGE = "Object.defineProperty(window, 'localStorage', {get() { throw new DOMException('blocked') }})"
NOWHERE = "127.0.0.1:1"
AWAY = ["Failed to load resource: net::ERR_CONNECTION_REFUSED"]


@pytest.fixture
async def world(kafka: str, topic_prefix: str, tmp_path: Path, browser: Browser) -> AsyncIterator[World]:
    await create_topics(kafka, Topics(topic_prefix), partitions=3, replication=1)
    async with running_world(kafka, topic_prefix, tmp_path, browser) as world:
        yield world


async def send_form(visitor: Visitor, email: str = "ada@example.com") -> None:
    await visitor.page.get_by_label("E-mail").fill(email)
    await visitor.page.get_by_label("Name").fill("Ada")
    await visitor.page.get_by_role("button", name="Send").click()


async def test_a_page_view_arrives_with_its_visitor_and_campaign(world: World) -> None:
    visitor = await world.visitor(locale="de-AT", timezone_id="Europe/Vienna")
    await visitor.visit("/?utm_source=google&utm_campaign=spring&gclid=g-1#part")
    ((event, viewed),) = await world.ingest.events(1)
    assert (event.type, event.source, viewed.kind) == ("engagement.recorded", "/sources/website", "page_viewed")
    assert viewed.what == f"{world.site.origin}/?utm_source=google&utm_campaign=spring&gclid=g-1"
    assert (viewed.campaign.source, viewed.campaign.name, viewed.campaign.gclid) == ("google", "spring", "g-1")
    assert f'"{viewed.identity.anonymous_id}"' == (await visitor.stored())["firsthour.id"]
    (message,) = await visitor.posted("/v1/p", 1)
    assert message["context"]["locale"] == "de-AT"
    assert message["context"]["timezone"] == "Europe/Vienna"
    assert message["context"]["page"]["title"] == "Page /"
    assert message["context"]["library"]["name"] == "firsthour.js"
    assert event.id == world.ingest.id_of(message)
    assert visitor.complaints == []


async def test_navigation_within_a_page_is_a_page_view_each(world: World) -> None:
    visitor = await world.visitor()
    await visitor.visit()
    await world.ingest.events(1)
    await visitor.page.evaluate("history.replaceState({}, '', location.href)")  # frameworks do this at their start
    for count, step in ((2, "history.pushState({}, '', '/pricing')"), (3, "history.back()")):
        await visitor.page.evaluate(step)
        await world.ingest.events(count)
    await visitor.page.evaluate("location.hash = 'part'")
    await visitor.page.evaluate("history.pushState({}, '', '/last')")
    events = await world.ingest.events(4)
    home = world.site.origin + "/"
    assert [viewed.what for _, viewed in events] == [home, home + "pricing", home, home + "last"]
    assert [message["context"]["page"]["referrer"] for message in await visitor.posted("/v1/p", 4)] == [
        "", home, home + "pricing", home,
    ]  # fmt: skip
    assert len({viewed.identity.anonymous_id for _, viewed in events}) == 1
    assert visitor.complaints == []


async def test_calls_made_before_it_is_there_are_not_lost(world: World) -> None:
    world.site.head = """<script nonce="test">
      window.firsthour = window.firsthour || [];
      firsthour.push(['track', 'Pricing Viewed', {plan: 'pro'}]);
      firsthour.push(['identify', 'u-1', {email: 'ada@example.com', company: 'Engines'}]);
    </script>"""
    world.site.attributes = "data-no-pages"
    visitor = await world.visitor()
    await visitor.visit()
    await world.ingest.events(2)
    await visitor.page.evaluate("firsthour.track('Demo Watched')")
    await world.ingest.events(3)
    await visitor.page.evaluate("firsthour.reset(); firsthour.page({section: 'help'})")
    events = {event.type + getattr(data, "kind", ""): data for event, data in await world.ingest.events(4)}
    tracked = events["engagement.recordedpricing_viewed"]
    assert (tracked.identity.user_id, tracked.properties) == (None, {"plan": "pro"})
    identified = events["contact.identified"]
    assert (identified.identity.email, identified.identity.user_id) == ("ada@example.com", "u-1")
    assert identified.identity.anonymous_id == tracked.identity.anonymous_id
    assert identified.traits["company"] == "Engines"
    assert events["engagement.recordeddemo_watched"].identity.user_id == "u-1"
    after = events["engagement.recordedpage_viewed"].identity
    assert after.user_id is None
    assert after.anonymous_id != tracked.identity.anonymous_id
    await visitor.idle()
    assert "ada@example.com" not in json.dumps(await visitor.stored())
    assert visitor.complaints == []


async def test_nothing_that_a_page_does_makes_it_throw(world: World) -> None:
    visitor = await world.visitor()
    await visitor.visit()
    await visitor.page.evaluate(
        """() => {
            const loop = {}; loop.loop = loop;
            firsthour.track('x', loop); firsthour.push(['nothing']); firsthour.push(null); firsthour.push();
            firsthour.identify(null); firsthour.track(); firsthour.page(7);
            document.dispatchEvent(new Event('submit', {bubbles: true}));
            document.dispatchEvent(new Event('focusin', {bubbles: true}));
            localStorage['firsthour.id'] = '{'; localStorage['firsthour.message.x'] = 'null';
            firsthour.track('Still There');
        }"""
    )

    async def there() -> bool:
        return any(getattr(data, "kind", "") == "still_there" for _, data in await world.ingest.events())

    await until(there, every_s=0.2)
    assert [each for each in visitor.complaints if not each.startswith("Failed to load resource")] == []


async def test_the_first_touch_stays_while_the_last_one_changes(world: World) -> None:
    visitor = await world.visitor()
    await visitor.visit("/?utm_source=google&utm_medium=cpc&gclid=g-1")
    await visitor.visit("/?utm_source=newsletter&li_fat_id=li-2")
    await visitor.visit("/form")  # a direct visit is no touch
    await send_form(visitor)
    ((_, lead),) = await world.ingest.leads()
    assert (lead.campaign.source, lead.campaign.medium, lead.campaign.gclid) == ("newsletter", None, None)
    assert (lead.traits["first_utm_source"], lead.traits["first_utm_medium"]) == ("google", "cpc")
    assert lead.traits["first_gclid"] == "g-1"
    assert lead.traits["first_landing_page"] == f"{world.site.origin}/?utm_source=google&utm_medium=cpc&gclid=g-1"
    await visitor.page.evaluate(
        """() => ['first', 'last'].forEach((name) => {
            const touch = JSON.parse(localStorage['firsthour.' + name]);
            touch.at -= 91 * 86400000;
            localStorage['firsthour.' + name] = JSON.stringify(touch);
        })"""
    )
    await visitor.visit("/form")
    await send_form(visitor, "grace@example.com")
    (_, late) = (await world.ingest.leads(2))[1]
    assert late.campaign is None or late.campaign.source is None
    assert "first_utm_source" not in late.traits
    assert visitor.complaints == []


async def test_a_form_is_sent_by_keyboard_alone_and_is_one_lead(world: World) -> None:
    visitor = await world.visitor()
    page = visitor.page
    await visitor.visit("/form?utm_source=google&utm_campaign=spring")
    for typed in ("ada@example.com", "Ada"):
        await page.keyboard.press("Tab")
        await page.keyboard.type(typed)
    await page.keyboard.press("Tab")
    await page.keyboard.press("Space")
    await page.keyboard.press("Tab")
    assert await page.evaluate("document.activeElement.tagName") == "BUTTON"
    await page.keyboard.press("Enter")
    status = page.get_by_role("status")
    await expect(status).to_have_text("Thanks, Ada.")
    await expect(status).to_be_focused()
    await expect(page.get_by_label("E-mail")).to_be_hidden()
    ((event, lead),) = await world.ingest.leads()
    assert (event.source, lead.form, lead.name) == ("/sources/website", "website", "Ada")
    assert lead.identity.email == "ada@example.com"
    assert f'"{lead.identity.anonymous_id}"' == (await visitor.stored())["firsthour.id"]
    assert lead.page == f"{world.site.origin}/form?utm_source=google&utm_campaign=spring"
    assert (lead.campaign.source, lead.campaign.name) == ("google", "spring")
    assert (lead.consent.email, lead.consent.wording) == (True, "Yes, write to me.")
    assert lead.traits["first_utm_source"] == "google"
    (sent,) = await visitor.posted("/f/website", 1)
    assert sent["_gotcha"] == ""
    assert sent["_stamp"].count(".") == 1
    await visitor.idle()
    assert "ada@example.com" not in json.dumps([await visitor.stored(), await visitor.context.cookies()])
    assert visitor.complaints == []


async def test_a_double_click_sends_once(world: World) -> None:
    visitor = await world.visitor()
    await visitor.visit("/form")
    await visitor.page.get_by_label("E-mail").fill("ada@example.com")
    await visitor.page.get_by_role("button", name="Send").dblclick()
    await expect(visitor.page.get_by_role("status")).to_be_visible()
    assert len(await world.ingest.leads()) == 1
    assert len(await visitor.posted("/f/website", 1)) == 1


async def test_what_is_wrong_stands_beside_its_field(world: World) -> None:
    visitor = await world.visitor()
    await visitor.visit("/form")
    field = visitor.page.get_by_label("E-mail")
    await field.evaluate("field => field.setAttribute('aria-describedby', 'hint')")
    await send_form(visitor, "nobody")
    alert = visitor.page.get_by_role("alert")
    await expect(alert).to_contain_text("@")
    await expect(field).to_be_focused()
    await expect(field).to_have_attribute("aria-invalid", "true")
    assert await field.get_attribute("aria-describedby") == f"hint {await alert.get_attribute('id')}"
    await send_form(visitor)
    await expect(visitor.page.get_by_role("status")).to_have_text("Thanks, Ada.")
    await expect(alert).to_have_count(0)
    form = visitor.page.locator("form")
    assert await form.locator("[aria-invalid=true]").count() == 0
    assert await form.locator("[name=your-email]").get_attribute("aria-describedby") == "hint"
    ((_, lead),) = await world.ingest.leads()
    assert lead.identity.email == "ada@example.com"
    assert lead.consent is None or lead.consent.email is None


async def test_a_form_follows_its_redirect_unless_the_page_takes_over(world: World) -> None:
    form = '<form data-firsthour="redirecting"><label>E-mail <input name="email"></label><label>Name <input name="name"></label><button>Send</button></form>'
    world.site.pages |= {"/away": form, "/thanks": "<h1>Thanks</h1>"}
    visitor = await world.visitor()
    await visitor.visit("/away")
    await visitor.page.evaluate(
        "addEventListener('firsthour:sent', (event) => { event.preventDefault(); window.answer = event.detail }, {once: true})"
    )
    await send_form(visitor)
    await visitor.until("window.answer")
    answer = await visitor.page.evaluate("window.answer")
    assert answer["status"] == "accepted"
    assert answer["redirect"] == f"{world.site.origin}/thanks"
    await send_form(visitor, "grace@example.com")
    await visitor.page.wait_for_url("**/thanks")
    ((first, _), (_second, lead)) = await world.ingest.leads(2)
    assert answer["id"] == str(first.id)
    assert lead.identity.email == "grace@example.com"


async def test_a_refused_form_says_so_and_can_be_sent_again(world: World) -> None:
    world.site.pages["/form"] = world.site.pages["/form"].replace('"website"', '"nowhere" data-failed="Leider nicht."')
    visitor = await world.visitor()
    await visitor.visit("/form")
    await send_form(visitor)
    await expect(visitor.page.get_by_role("alert")).to_have_text("Leider nicht.")
    await expect(visitor.page.get_by_label("E-mail")).to_have_value("ada@example.com")
    await visitor.page.locator("form").evaluate("form => { form.dataset.firsthour = 'website' }")
    await visitor.page.get_by_role("button", name="Send").click()
    assert len(await world.ingest.leads()) == 1


async def test_when_the_snippet_fails_the_browser_sends_the_form(world: World) -> None:
    visitor = await world.visitor("crypto.getRandomValues = () => { throw new Error('broken') }")
    await visitor.visit("/form")
    await send_form(visitor)
    await expect(visitor.page.get_by_role("heading", name="Thank you")).to_be_visible()
    ((_, lead),) = await world.ingest.leads()
    assert (lead.identity.email, lead.name) == ("ada@example.com", "Ada")


async def test_a_form_without_scripts_is_plain_html(world: World) -> None:
    action = f'"website" method="post" action="{world.site.ingest}/f/website"'
    world.site.pages["/form"] = world.site.pages["/form"].replace('"website"', action)
    visitor = await world.visitor(java_script_enabled=False)
    await visitor.page.goto(world.site.origin + "/form")
    await send_form(visitor)
    await expect(visitor.page.get_by_role("heading", name="Thank you")).to_be_visible()
    assert len(await world.ingest.leads()) == 1


async def test_what_ingest_does_not_answer_is_kept_and_arrives_once(world: World) -> None:
    visitor = await world.visitor()
    await visitor.visit("/form")
    await world.ingest.events(1)
    await world.ingest.stop()
    await visitor.page.evaluate("firsthour.track('Demo Watched')")
    await send_form(visitor)
    await expect(visitor.page.get_by_role("status")).to_contain_text("No connection")
    kept = await visitor.stored()
    assert sorted(name.split(".")[1] for name in kept if name.count(".") > 1) == ["lead", "message"]
    assert any("ada@example.com" in value for value in kept.values())
    await world.ingest.start()
    await expect(visitor.page.get_by_role("status")).to_have_text("Thanks, Ada.")
    await visitor.idle()
    assert "ada@example.com" not in json.dumps(await visitor.stored())
    # Each is one event; a record may be repeated, if Kafka took longer to acknowledge it than ingest waits.
    assert sorted(event.type for event, _ in await world.ingest.events(3)) == [
        "engagement.recorded", "engagement.recorded", "lead.captured",
    ]  # fmt: skip
    assert {*visitor.complaints} <= {*AWAY}


async def test_what_ingest_cannot_take_now_is_kept_and_arrives_once(world: World) -> None:
    visitor = await world.visitor()
    await visitor.visit("/form")
    await world.ingest.events(1)
    await world.ingest.stop()
    await world.ingest.start(kafka=NOWHERE, ingest_spool_bytes=0, ingest_kafka_deadline=0.5)
    await send_form(visitor)
    await expect(visitor.page.get_by_role("status")).to_contain_text("No connection")
    assert any("503" in each for each in visitor.complaints)
    await world.ingest.stop()
    await world.ingest.start()
    await expect(visitor.page.get_by_role("status")).to_have_text("Thanks, Ada.")
    await visitor.idle()
    assert sorted(event.type for event, _ in await world.ingest.events(2)) == ["engagement.recorded", "lead.captured"]


async def test_what_is_sent_offline_arrives_as_soon_as_there_is_a_network(world: World) -> None:
    visitor = await world.visitor()
    await visitor.visit("/form")
    await world.ingest.events(1)
    await visitor.context.set_offline(True)
    await visitor.page.evaluate("firsthour.track('Demo Watched')")
    await send_form(visitor)
    await expect(visitor.page.get_by_role("status")).to_contain_text("No connection")
    await visitor.context.set_offline(False)
    await expect(visitor.page.get_by_role("status")).to_have_text("Thanks, Ada.")
    await visitor.idle()
    assert len(await world.ingest.events(3)) == 3


async def test_a_file_is_refused_beside_its_field(world: World) -> None:
    world.site.pages["/form"] = FORM.replace("<button>", '<label>CV <input type="file" name="cv"></label><button>')
    visitor = await world.visitor()
    await visitor.visit("/form")
    file = visitor.page.get_by_label("CV")
    await file.set_input_files({"name": "cv.pdf", "mimeType": "application/pdf", "buffer": b"%PDF"})
    await send_form(visitor)
    await expect(visitor.page.get_by_role("alert")).to_contain_text("a file or an object is not taken here")
    await expect(file).to_have_attribute("aria-invalid", "true")
    await file.set_input_files([])
    await send_form(visitor)
    assert len(await world.ingest.leads()) == 1


async def test_boxes_of_one_name_and_a_consent_of_another_are_understood(world: World) -> None:
    boxes = """<label><input type="checkbox" name="tools" value="a"> a</label> <label><input type="checkbox" name="tools" value="b"> b</label>
      <input type="hidden" name="newsletter" value="0"><label><input type="checkbox" name="newsletter" value="1"> Ja, gern.</label><button>"""
    world.site.pages["/form"] = re.sub("<label><input type=.checkbox. name=.consent.*", "", FORM).replace(
        "<button>", boxes
    )
    visitor = await world.visitor()
    await visitor.visit("/form")
    for label in ("a", "b", "Ja, gern."):
        await visitor.page.get_by_label(label, exact=True).check()
    await send_form(visitor)
    ((_, lead),) = await world.ingest.leads()
    assert lead.traits["tools"] == "a, b"
    assert (lead.consent.email, lead.consent.wording) == (True, "Ja, gern.")
    await visitor.visit("/form")
    await send_form(visitor, "grace@example.com")
    (_, left_alone) = (await world.ingest.leads(2))[1]
    assert left_alone.consent is None, "a box that was left alone takes nothing back"


async def test_a_field_that_had_the_focus_before_the_snippet_came_is_not_filled_in_too_fast(world: World) -> None:
    world.site.pages["/form"] = (
        '<form data-firsthour="patient"><label>E-mail <input name="email" autofocus></label></form>'
    )
    visitor = await world.visitor()
    async with visitor.page.expect_response("**/f/patient/stamp"):
        await visitor.visit("/form")
    await visitor.page.keyboard.type("ada@example.com")
    await visitor.page.keyboard.press("Enter")
    ((_, lead),) = await world.ingest.leads()
    assert "filled_in_too_fast" not in lead.likelihood_reasons


async def test_what_was_kept_is_sent_from_the_next_page_and_not_by_every_tab(world: World) -> None:
    visitor = await world.visitor()
    await visitor.visit("/form")
    await world.ingest.events(1)
    await world.ingest.stop()
    await visitor.page.evaluate("for (const name of 'abcde') firsthour.track(name)")
    await send_form(visitor)
    await expect(visitor.page.get_by_role("status")).to_contain_text("No connection")
    await visitor.page.close()
    await world.ingest.start()
    world.site.attributes = "data-no-pages"
    tabs = [await world.tab(visitor) for _ in range(3)]
    for tab in tabs:
        await tab.visit()
    for tab in tabs:
        await tab.idle()
    assert len(await world.ingest.leads()) == 1
    assert len(await world.ingest.events()) == 7

    # Tabs see a little late what another one has claimed: now and then two send the same, which is one event all the same.
    def sent() -> int:
        return sum(len(tab.messages("/f/website")) + len(tab.messages("/v1/t")) for tab in tabs)

    await until(lambda: sent() >= 6)
    assert sent() < 12, "six were kept; without claims each of the three tabs would send them all"


async def test_what_happens_as_a_page_is_left_arrives(world: World) -> None:
    world.site.head = """<script nonce="test">
      addEventListener('pagehide', () => window.firsthour && firsthour.track && firsthour.track('Page Left'));
    </script>"""
    visitor = await world.visitor()
    await visitor.visit()
    await world.ingest.events(1)
    await visitor.page.goto("about:blank")
    events = await world.ingest.events(2)
    assert [getattr(data, "kind", "") for _, data in events] == ["page_viewed", "page_left"]


async def test_global_privacy_control_leaves_forms_and_nothing_else(world: World) -> None:
    visitor = await world.visitor()
    await visitor.visit("/form?utm_source=google")
    await world.ingest.events(1)
    assert await visitor.stored()
    await visitor.context.add_init_script(GPC)
    await visitor.visit("/form?utm_source=google&again=1")
    assert await visitor.stored() == {}
    await visitor.page.evaluate("firsthour.track('x'); firsthour.identify('u-1'); firsthour.consent(true)")
    await send_form(visitor)
    await expect(visitor.page.get_by_role("status")).to_be_visible()
    ((_, lead),) = await world.ingest.leads()
    assert lead.identity.email == "ada@example.com"
    assert lead.identity.anonymous_id is None
    assert not any(name.startswith("first_") for name in lead.traits)
    assert {*await visitor.stored()} <= {"firsthour.consent"}
    assert await visitor.context.cookies() == []
    assert len(await world.ingest.events()) == 2
    assert visitor.complaints == []


async def test_nothing_happens_before_consent_and_all_is_gone_after_its_withdrawal(world: World) -> None:
    world.site.attributes = 'data-consent="required"'
    visitor = await world.visitor()
    await visitor.visit("/?utm_source=google")
    await visitor.page.evaluate("firsthour.track('Too Early'); history.pushState({}, '', '/pricing?utm_source=google')")
    await visitor.page.evaluate("new Promise((resolve) => setTimeout(resolve, 200))")
    assert await visitor.stored() == {}
    assert visitor.messages("") == []
    await visitor.page.evaluate("firsthour.consent(true)")
    ((_, viewed),) = await world.ingest.events(1)
    assert (viewed.kind, viewed.campaign.source) == ("page_viewed", "google")
    await visitor.visit("/")  # it is remembered
    await world.ingest.events(2)
    assert {*await visitor.stored()} >= {"firsthour.id", "firsthour.first", "firsthour.last"}
    await visitor.page.evaluate("firsthour.consent(false); firsthour.track('Too Late')")
    assert {*await visitor.stored()} <= {"firsthour.consent"}
    await visitor.visit("/form")
    await send_form(visitor)
    ((_, lead),) = await world.ingest.leads()
    assert lead.identity.anonymous_id is None
    assert len(await world.ingest.events()) == 3
    assert visitor.complaints == []


async def test_consent_that_is_queued_counts_before_all_else(world: World) -> None:
    world.site.head = """<script nonce="test">
      window.firsthour = [['track', 'Pricing Viewed'], ['consent', false]];
    </script>"""
    visitor = await world.visitor()
    await visitor.visit()
    await visitor.page.evaluate("new Promise((resolve) => setTimeout(resolve, 200))")
    assert visitor.messages("") == []
    assert {*await visitor.stored()} == {"firsthour.consent"}


async def test_without_localstorage_a_cookie_of_the_site_holds_the_id(world: World) -> None:
    visitor = await world.visitor(NO_STORAGE)
    await visitor.visit()
    await world.ingest.events(1)
    await visitor.visit("/form")
    await send_form(visitor)
    (cookie,) = await visitor.context.cookies()
    ((_, lead),) = await world.ingest.leads()
    events = await world.ingest.events(3)
    assert {data.identity.anonymous_id for _, data in events} == {cookie["value"]}
    assert lead.identity.anonymous_id == cookie["value"]
    await visitor.page.evaluate("firsthour.consent(false)")
    assert await visitor.context.cookies() == []
    assert visitor.complaints == []
