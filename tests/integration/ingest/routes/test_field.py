"""What the field sends, over real HTTP (tests/field)."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from shared.kafka.topics import Topics, create_topics
from shared.secrets import SECRETS_FILE
from tests.support.ingest_service import Ingest, running
from tests.support.waiting import until

FIELD = Path(__file__).parents[3] / "field"
SOURCES = """
sources:
  website: {kind: form, country: United Kingdom}
  closed: {kind: form, origins: ["https://example.com"]}
  app: {kind: segment, keys: [env:INGEST_TEST_APP_KEY], trust: trusted}
  list:
    kind: generic
    secrets: [env:INGEST_TEST_SHOP_KEY]
    signature: {scheme: token, path: true}
    events:
      - when: {/type: unsubscribe}
        type: consent.changed
        fields: {email: /data/email, channel: email, given: false, occurred_at: /fired_at, proof: /data/action}
  mailchimp: {kind: mailchimp, secrets: [env:INGEST_TEST_SHOP_KEY]}
  signed: {kind: generic, secrets: [env:INGEST_TEST_SHOP_KEY], signature: {header: x}, events: [{type: consent.changed, fields: {email: /e, channel: email, given: false}}]}
"""
AS_SETUP_MAKES_THEM = "whsec_a//b+c/dGhpcyBpcyBsb25nIGVub3VnaCB0byBiZSBvbmU+="
JSON = {"Accept": "application/json"}


@pytest.fixture
async def ingest(kafka: str, topic_prefix: str, tmp_path: Path) -> AsyncIterator[Ingest]:
    await create_topics(kafka, Topics(topic_prefix), partitions=3, replication=1)
    (tmp_path / SECRETS_FILE).write_text(f"INGEST_TEST_SHOP_KEY={AS_SETUP_MAKES_THEM}\n")
    async with running(kafka, topic_prefix, tmp_path, sources=SOURCES) as ingest:

        async def ready() -> bool:
            return (await ingest.http.get("/readyz")).status_code == 200

        await until(ready)
        yield ingest


async def test_a_page_with_a_tracing_library_may_post(ingest: Ingest) -> None:
    for path in ("/f/website", "/f/website/stamp", "/v1/t", "/v1/leads", "/v1/projects/x/settings"):
        for asked in (FIELD / "preflight.txt").read_text().splitlines():
            answer = await ingest.http.options(
                path,
                headers={
                    "Origin": "https://shop.example.com",
                    "Access-Control-Request-Method": "POST",
                    "Access-Control-Request-Headers": asked,
                },
            )
            assert answer.status_code == 204
            assert answer.headers["access-control-allow-origin"] == "https://shop.example.com"
            allowed = answer.headers["access-control-allow-headers"].replace(" ", "").split(",")
            assert set(asked.split(",")) <= set(allowed), path
    odd = {"Origin": "https://a.example", "Access-Control-Request-Method": "POST"}
    for names in (b"a b", b"," * 9, b"x," * 5000):
        asked_for = {**{k.encode(): v.encode() for k, v in odd.items()}, b"Access-Control-Request-Headers": names}
        answer = await ingest.http.options("/f/website", headers=list(asked_for.items()))
        assert "idempotency-key" in answer.headers["access-control-allow-headers"]


async def test_old_encodings_and_numbers_as_at_home(ingest: Ingest) -> None:
    old = b"email=joerg.cp%40example.com&name=J%F6rg+M%FCller&message=Gr%FC%DFe"
    form = "application/x-www-form-urlencoded"
    parts = "".join(
        f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in (("email", "joerg.cp@example.com"), ("name", "Jörg Müller"), ("message", "Grüße"))
    )
    bodies = [
        (old, form),
        (old, f"{form}; charset=windows-1252"),
        (old, f"{form};charset=ISO-8859-1"),
        (old + b"&_charset_=windows-1252", form),
        (f"{parts}--b--\r\n".encode("cp1252"), "multipart/form-data; boundary=b"),
        (f"{parts}--b--\r\n".encode(), "multipart/form-data; boundary=b"),
    ]
    for body, kind in bodies:
        answer = await ingest.http.post("/f/website", content=body, headers={"Content-Type": kind, **JSON})
        assert answer.status_code == 202, (kind, answer.text)
    leads = [lead for _, (_, lead) in await ingest.events(len(bodies))]
    assert {(lead.name, lead.message) for lead in leads} == {("Jörg Müller", "Grüße")}
    answer = await ingest.http.post("/f/website", data={"name": "Call Me", "phone": "07700 900123"}, headers=JSON)
    assert answer.status_code == 202
    assert {lead.identity.phone for _, (_, lead) in await ingest.events(7)} == {None, "+447700900123"}


async def test_what_stands_for_nobody_and_what_is_refused_is_counted(ingest: Ingest) -> None:
    for name in ("a", "b"):
        message = {"userId": "undefined", "traits": {"email": f"m1{name}@example.com"}}
        answer = await ingest.http.post("/v1/identify", json=message, headers=ingest.key("APP"))
        assert answer.status_code == 200
    people = [event.identity for _, (_, event) in await ingest.events(2)]
    assert {(each.email, each.user_id) for each in people} == {("m1a@example.com", None), ("m1b@example.com", None)}
    assert (await ingest.http.post("/f/website", data={"message": "hi"}, headers=JSON)).status_code == 422
    assert (await ingest.http.post("/f/website", data={"email": "ada@"})).status_code == 422, "a page"
    batch = {"batch": [{"type": "nonsense"}, {"type": "identify", "userId": "u-1"}]}
    assert (await ingest.http.post("/v1/batch", json=batch, headers=ingest.key("APP"))).status_code == 200
    assert (await ingest.http.post("/v1/leads", json={}, headers={"Authorization": "Bearer x"})).status_code == 401
    metrics = (await ingest.http.get("/metrics")).text
    for line in (
        'firsthour_ingest_absent_identities_total{identity="user_id",source="app"} 2.0',
        'firsthour_ingest_refusals_total{reason="invalid",source="website"} 2.0',
        'firsthour_ingest_refusals_total{reason="part_of_a_batch",source="app"} 1.0',
        'firsthour_ingest_refusals_total{reason="no_key",source="none"} 1.0',
    ):
        assert line in metrics


async def test_a_list_provider_asks_first_and_then_sends_a_form(ingest: Ingest) -> None:
    secret = ingest.keys["INGEST_TEST_SHOP_KEY"]
    body = (FIELD / "list-provider-unsubscribe.urlencoded").read_bytes().strip()
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    for source in ("list", "mailchimp"):
        url = f"/hooks/{source}/{secret}"
        assert (await ingest.http.get(url)).status_code == 200
        assert (await ingest.http.head(url)).status_code == 200
        asked = await ingest.http.get(url, params={"challenge": "abc-1"})
        assert (asked.status_code, asked.text) == (200, "abc-1")
        assert (await ingest.http.get(url, params={"challenge": "<b>"})).text == ""
        assert (await ingest.http.get(f"/hooks/{source}/wrong")).status_code == 403
        assert (await ingest.http.post(f"/hooks/{source}/wrong", content=body, headers=form)).status_code == 401
        assert (await ingest.http.post(f"/hooks/{source}", content=body, headers=form)).status_code == 401
        assert (await ingest.http.post(url, content=body, headers=form)).status_code == 200
    assert (await ingest.http.get("/hooks/signed", params={"challenge": "abc"})).text == "abc"
    assert (await ingest.http.get("/hooks/website")).status_code == 404
    told = [(event.type, said.identity.email, said.given) for _, (event, said) in await ingest.events(2)]
    assert told == [("consent.changed", "mc.field@example.com", False)] * 2
    unread = await ingest.http.post(f"/hooks/list/{secret}", content=b"kind=unsubscribe", headers=form)
    assert unread.status_code == 422
    metrics = (await ingest.http.get("/metrics")).text
    assert 'firsthour_ingest_hooks_total{result="refused",sender="generic"} 1.0' in metrics
    assert 'firsthour_ingest_refusals_total{reason="unreadable_hook",source="list"}' in metrics or (
        'firsthour_ingest_refusals_total{reason="invalid",source="list"} 1.0' in metrics
    )
    assert secret not in metrics


async def test_a_visitor_sees_a_page_in_a_language_of_theirs_and_no_demand_of_a_developer(ingest: Ingest) -> None:
    browser = {"Accept": "text/html,application/xhtml+xml", "Accept-Language": "xx, pl-PL;q=0.9, en;q=0.5"}
    elsewhere = browser | {"Origin": "https://elsewhere.example"}
    form = {"email": "ada@example.com", "message": "Hello"}
    seen = [
        await ingest.http.post("/f/closed", data=form, headers=elsewhere),
        await ingest.http.post("/f/nowhere", data=form, headers=browser),
        await ingest.http.post("/f/website", content=b"x", headers=browser | {"Content-Type": "text/plain"}),
        await ingest.http.post("/f/website", data={f"f{n}": "x" for n in range(500)}, headers=browser),
        await ingest.http.post("/f/website", data=form | {"message": "x" * 40_000}, headers=browser),
        await ingest.http.post("/f/website", data={"email": "ada@"}, headers=browser),
    ]
    assert [answer.status_code for answer in seen] == [403, 404, 415, 422, 413, 422]
    for answer in seen:
        assert answer.headers["content-type"].startswith("text/html")
        assert '<html lang="pl"' in answer.text
        assert "Wróć" in answer.text, "what was typed is still there"
        for words in ("origin", "Content-Type", "sources.yaml", "must have"):
            assert words not in answer.text
    plain = await ingest.http.post("/f/closed", data=form, headers={"Origin": "https://elsewhere.example", **JSON})
    assert plain.headers["content-type"].startswith("application/problem+json"), "a program is told what to mend"
