"""Web forms over real HTTP: every body a browser makes, the hosted form, robots, limits, and who is believed."""

import re
from collections.abc import AsyncIterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

from shared.kafka.topics import Topics, create_topics
from tests.support.ingest_service import Ingest, running
from tests.support.waiting import until

SOURCES = """
sources:
  website:
    kind: form
    keys: [env:INGEST_TEST_WEBSITE_KEY]
    origins: ["https://example.com"]
    redirect: https://example.com/thanks
    limits: {forms: 3/m, address: 5/m}
    consent: {wording: "Ja, schreiben Sie mir <bald>.", required: true}
    least_fill_seconds: 60
    form:
      title: Sprechen Sie mit uns
      intro: Wir antworten in einer Stunde.
      language: de
      button: Senden
      thanks: Wir melden uns.
      frames: [https://example.com]
      inputs:
        - {name: email, label: E-Mail, type: email, required: true}
        - {name: phone, label: Telefon, type: tel, hint: mit Vorwahl}
        - {name: interest, label: Thema, type: select, options: [Preise, {value: demo, label: Vorführung}]}
        - {name: message, label: Nachricht, type: textarea}
        - {name: segment, label: none, type: hidden, value: b2b}
  plain: {kind: form}
  mapped: {kind: form, fields: {email: f1, first_name: f2, last_name: f3, consent: f4}}
  shop: {kind: api, keys: [env:INGEST_TEST_SHOP_KEY], limits: {source: 2/h}}
"""
JSON = {"Accept": "application/json"}


@pytest.fixture
async def ingest(kafka: str, topic_prefix: str, tmp_path: Path) -> AsyncIterator[Ingest]:
    await create_topics(kafka, Topics(topic_prefix), partitions=3, replication=1)
    async with running(
        kafka, topic_prefix, tmp_path, sources=SOURCES, ingest_trusted_proxies=["127.0.0.0/8"]
    ) as ingest:

        async def ready() -> bool:
            return (await ingest.http.get("/readyz")).status_code == 200

        await until(ready)
        yield ingest


class Page(HTMLParser):
    """The fields of a page and what belongs to them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.fields: dict[str, dict[str, str | None]] = {}
        self.labelled: set[str] = set()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.tags.append((tag, found))
        if tag in ("input", "select", "textarea") and found.get("name"):
            self.fields[str(found["name"])] = found
        if tag == "label" and "for" in found:
            self.labelled.add(str(found["for"]))


async def test_multipart_is_a_lead_and_a_file_a_clear_answer(ingest: Ingest) -> None:
    boundary = {"email": (None, "ada@example.com"), "Nachricht": (None, "Hallo")}
    answer = await ingest.http.post("/f/plain", files=boundary, headers=JSON)
    assert answer.status_code == 202
    ((_, (_, lead)),) = await ingest.events(1)
    assert (lead.identity.email, lead.message) == ("ada@example.com", "Hallo")
    refused = await ingest.http.post("/f/plain", files={**boundary, "cv": ("cv.pdf", b"%PDF")}, headers=JSON)
    assert refused.status_code == 422
    assert refused.json()["errors"] == [
        {"at": "/cv", "problem": "is a file: files are not taken here, send a link to it instead"}
    ]


async def test_a_robot_sees_success_and_its_lead_says_what_it_is(ingest: Ingest) -> None:
    robot = {"email": "robot@example.com", "_gotcha": "buy now"}
    assert (await ingest.http.post("/f/plain", data=robot, headers=JSON)).status_code == 202
    assert (await ingest.http.post("/f/plain", data={"_gotcha": "x"}, headers=JSON)).status_code == 202, (
        "nobody to reach"
    )
    agent = {"User-Agent": "Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)"}
    assert (
        await ingest.http.post("/f/plain", data={"email": "c@example.com"}, headers=JSON | agent)
    ).status_code == 202
    assert (await ingest.http.post("/f/plain", data={"email": "d@example.com"}, headers=JSON)).status_code == 202
    found = {
        lead.identity.email: (lead.human_likelihood, lead.likelihood_reasons) for _, (_, lead) in await ingest.events(3)
    }
    assert found == {
        "robot@example.com": (0.02, ["honeypot"]),
        "c@example.com": (0.05, ["robot_agent"]),
        "d@example.com": (1.0, []),
    }


async def test_the_hosted_form_is_accessible_and_its_post_is_a_lead_with_proof(ingest: Ingest) -> None:
    around = "https://example.com/landing?utm_medium=cpc"
    answer = await ingest.http.get("/f/website?utm_source=news&evil=%3Cscript%3E", headers={"Referer": around})
    assert answer.status_code == 200
    policy = answer.headers["content-security-policy"]
    assert "frame-ancestors https://example.com" in policy
    assert "form-action 'self' https://example.com" in policy, "browsers hold the redirect to it too"
    assert "script" not in answer.text
    page = Page(answer.text)
    assert page.tags[0] == ("html", {"lang": "de"})
    visible = {name: each for name, each in page.fields.items() if each.get("type") != "hidden" and name != "_gotcha"}
    assert {str(each["id"]) for each in visible.values()} == page.labelled
    assert (page.fields["email"]["autocomplete"], page.fields["phone"]["autocomplete"]) == ("email", "tel")
    assert page.fields["phone"]["aria-describedby"] == "h-phone"
    assert all("required" in page.fields[name] for name in ("email", "consent"))
    assert "Ja, schreiben Sie mir &lt;bald&gt;." in answer.text
    hidden = {name: each["value"] for name, each in page.fields.items() if each.get("type") == "hidden"}
    assert hidden == {"segment": "b2b", "utm_source": "news", "page": around, "_stamp": hidden["_stamp"]}

    filled = {**hidden, "email": "ada@example.com", "consent": "yes", "interest": "demo"}
    own = {"Origin": str(ingest.http.base_url).rstrip("/")}
    sent = await ingest.http.post("/f/website", data=filled, headers=own)
    assert (sent.status_code, sent.headers["location"]) == (303, "https://example.com/thanks")
    ((_, (_, lead)),) = await ingest.events(1)
    assert (lead.consent.email, lead.consent.wording) == (True, "Ja, schreiben Sie mir <bald>.")
    assert (lead.page, lead.campaign.source, lead.interest) == (around, "news", "demo")
    assert (lead.human_likelihood, lead.likelihood_reasons) == (0.1, ["filled_in_too_fast"]), "a minute was asked for"
    assert lead.traits == {"segment": "b2b"}


async def test_fields_of_any_name_are_mapped(ingest: Ingest) -> None:
    form = {"f1": "ada@example.com", "f2": "Ada", "f3": "Lovelace", "f4": "on", "consent_wording": "Yes."}
    assert (await ingest.http.post("/f/mapped", data=form, headers=JSON)).status_code == 202
    ((_, (_, lead)),) = await ingest.events(1)
    assert (lead.identity.email, lead.name, lead.traits) == ("ada@example.com", "Ada Lovelace", {})
    assert (lead.consent.email, lead.consent.wording) == (True, "Yes.")


async def test_behind_a_proxy_the_browser_tells_that_it_was_our_own_form(ingest: Ingest) -> None:
    away = {"Origin": "https://in.example.com"}
    data = {"email": "ada@example.com"}
    assert (await ingest.http.post("/f/website", data=data, headers=away)).status_code == 403
    own = away | {"Sec-Fetch-Site": "same-origin"}
    assert (await ingest.http.post("/f/website", data=data, headers=own)).status_code == 303
    cross = away | {"Sec-Fetch-Site": "cross-site"}
    assert (await ingest.http.post("/f/website", data=data, headers=cross)).status_code == 403


async def test_any_page_may_ask_before_it_posts_to_a_form_that_names_no_origins(ingest: Ingest) -> None:
    anywhere = {"Origin": "https://anywhere.example", "Access-Control-Request-Method": "POST"}
    asked = await ingest.http.options("/f/plain", headers=anywhere)
    assert asked.headers["access-control-allow-origin"] == "https://anywhere.example"
    posted = await ingest.http.post("/f/plain", json={"email": "a@example.com", "consent": True}, headers=anywhere)
    assert (posted.status_code, posted.headers["access-control-allow-origin"]) == (202, "https://anywhere.example")
    refused = await ingest.http.post("/f/website", json={"email": "a@example.com"}, headers=anywhere)
    assert (refused.status_code, "access-control-allow-origin" in refused.headers) == (403, False)


async def test_pages_speak_the_forms_language_and_repeat_nothing_that_was_typed(ingest: Ingest) -> None:
    answer = await ingest.http.post("/f/website", data={"email": "not an address", "consent": "on"})
    assert answer.status_code == 422
    assert "Da stimmt noch etwas nicht" in answer.text
    assert "not an address" not in answer.text


async def test_a_form_may_name_a_page_of_its_own_origin_to_go_to(ingest: Ingest) -> None:
    async def goes(asked: str) -> str:
        answer = await ingest.http.post("/f/website", data={"email": "a@example.com", "_next": asked})
        return answer.headers["location"]

    assert await goes("https://example.com/danke") == "https://example.com/danke"
    assert await goes("https://evil.example/") == "https://example.com/thanks"
    as_json = await ingest.http.post("/f/website", data={"email": "a@example.com"}, headers=JSON)
    assert as_json.json()["redirect"] == "https://example.com/thanks"


async def test_a_stamp_is_given_to_pages_of_the_source_and_a_forged_one_shows(ingest: Ingest) -> None:
    stamp = await ingest.http.get("/f/website/stamp", headers={"Origin": "https://example.com"})
    assert stamp.headers["access-control-allow-origin"] == "https://example.com"
    assert re.fullmatch(r"\d+\.[\w-]{16}", stamp.json()["stamp"])
    other = await ingest.http.get("/f/website/stamp", headers={"Origin": "https://evil.example"})
    assert "access-control-allow-origin" not in other.headers
    assert (await ingest.http.get("/f/shop/stamp")).status_code == 404
    await ingest.http.post(
        "/f/plain", data={"email": "a@example.com", "_stamp": stamp.json()["stamp"]}
    )  # of another source
    ((_, (_, lead)),) = await ingest.events(1)
    assert lead.likelihood_reasons == ["forged_stamp"]


async def test_no_form_no_page(ingest: Ingest) -> None:
    for path in ("/f/plain", "/f/shop", "/f/nobody"):
        answer = await ingest.http.get(path)
        assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


async def test_one_address_may_not_flood_a_form_and_a_neighbour_is_not_hit(ingest: Ingest) -> None:
    async def post(address: str) -> int:
        headers = JSON | {"X-Forwarded-For": f"10.9.9.9, {address}"}
        return (await ingest.http.post("/f/website", data={"email": "a@example.com"}, headers=headers)).status_code

    assert [await post("93.184.216.34") for _ in range(4)] == [202, 202, 202, 429]
    limited = await ingest.http.post(
        "/f/website", data={"email": "a@example.com"}, headers=JSON | {"X-Forwarded-For": "93.184.216.34"}
    )
    assert 1 <= int(limited.headers["retry-after"]) <= 60
    assert await post("93.184.216.35") == 202
    assert [await post("10.0.0.8") for _ in range(6)] == [202] * 6, "an own network is not counted"


async def test_a_source_has_a_limit_of_its_own(ingest: Ingest) -> None:
    lead = {"email": "a@example.com"}
    answers = [await ingest.http.post("/v1/leads", json=lead, headers=ingest.key("SHOP")) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [202, 202, 429]


async def test_guessing_keys_ends_before_the_key_is_looked_at(ingest: Ingest) -> None:
    address = {"X-Forwarded-For": "93.184.216.40"}
    for _ in range(20):
        wrong = await ingest.http.post("/v1/leads", json={}, headers=address | {"Authorization": "Bearer guess"})
        assert wrong.status_code == 401
    good = await ingest.http.post("/v1/leads", json={"email": "a@example.com"}, headers=address | ingest.key("WEBSITE"))
    assert good.status_code == 429
    elsewhere = await ingest.http.post("/v1/leads", json={"email": "a@example.com"}, headers=ingest.key("WEBSITE"))
    assert elsewhere.status_code == 202


async def test_a_time_in_the_future_is_taken_as_now_and_marked(ingest: Ingest) -> None:
    lead = {"email": "a@example.com", "occurred_at": "2199-01-01T00:00:00Z"}
    assert (await ingest.lead(lead)).status_code == 202
    ((_, (event, _)),) = await ingest.events(1)
    assert event.time == event.receivedtime
    assert event.claimedtime is not None
    assert event.claimedtime.isoformat() == "2199-01-01T00:00:00+00:00"


async def test_the_metrics_name_no_person(ingest: Ingest) -> None:
    await ingest.http.post("/f/plain", data={"email": "seeded@example.com", "_gotcha": "x"})
    metrics = (await ingest.http.get("/metrics")).text
    assert "firsthour_ingest_honeypot_total 1.0" in metrics
    assert "seeded" not in metrics
