import base64
import hashlib
import json
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.domain.fact import Refused
from services.ingest.domain.hooks.hook import Incoming, Unverified
from services.ingest.domain.hooks.senders.hubspot import HOOK
from shared.events.types import Campaign
from tests.unit.ingest.hooks.cases import ANY_JSON, FOLDER, NOW, body, mangled

CONTENT = body("hubspot", "events")
CONTACT = body("hubspot", "contact")
DOCUMENTS = [json.loads(path.read_bytes()) for path in sorted((FOLDER / "hubspot").glob("*.json"))]
URL = "https://in.example.com/hooks/hubspot"
SECRETS = ["old-secret", "new-secret"]
STAMP = str(int(NOW.timestamp() * 1000))


def sign(url: str = URL, stamp: str = STAMP, secret: str = "new-secret", content: bytes = CONTENT) -> str:
    made = subprocess.run(
        ["openssl", "dgst", "-sha256", "-hmac", secret, "-binary"],
        input=b"POST" + url.encode() + content + stamp.encode(),
        capture_output=True,
        check=True,
    )
    return base64.b64encode(made.stdout).decode()


def verify(
    signature: str,
    *,
    url: str = URL,
    stamp: str = STAMP,
    content: bytes = CONTENT,
    more: Mapping[str, str] | None = None,
) -> None:
    headers = {"x-hubspot-signature-v3": signature, "x-hubspot-request-timestamp": stamp, **(more or {})}
    HOOK.verify(Incoming({k: v for k, v in headers.items() if v}, content, url, NOW), SECRETS, {})


def read(content: bytes) -> Any:
    return HOOK.read(Incoming({}, content, URL, NOW), json.loads(content), {})


@pytest.mark.parametrize("secret", SECRETS)
def test_either_secret_verifies_method_url_body_and_time(secret: str) -> None:
    verify(sign(secret=secret))


def test_the_characters_that_hubspot_decodes_are_decoded_and_no_others() -> None:
    plain = f"{URL}?to=a@b.c:d/e!f$g'h(i)j*k,l;m&x=%20%26%3D%25"
    called = f"{URL}?to=a%40b.c%3Ad%2fe%21f%24g%27h%28i%29j%2Ak%2Cl%3Bm&x=%20%26%3D%25"
    verify(sign(plain), url=called)


@pytest.mark.parametrize(
    "signature",
    [
        "",
        "nonsense",
        sign(secret="other"),
        sign(content=CONTENT + b" "),
        sign(url=f"{URL}/"),
        sign(url=URL.replace("https", "http")),
        sign(stamp=str(int(STAMP) + 1)),
    ],
)
def test_anything_else_is_refused(signature: str) -> None:
    with pytest.raises(Unverified):
        verify(signature)


@pytest.mark.parametrize(
    ("milliseconds", "fresh"), [(-300_001, False), (-299_999, True), (299_999, True), (300_001, False)]
)
def test_a_signature_is_good_for_five_minutes_both_ways(milliseconds: int, fresh: bool) -> None:
    stamp = str(int(STAMP) + milliseconds)
    if fresh:
        verify(sign(stamp=stamp), stamp=stamp)
    else:
        with pytest.raises(Unverified, match="too far"):
            verify(sign(stamp=stamp), stamp=stamp)


@pytest.mark.parametrize("stamp", ["", "soon", "-1", "١٢", "9" * 50])
def test_a_time_that_is_none_is_refused(stamp: str) -> None:
    with pytest.raises(Unverified):
        verify(sign(stamp=stamp), stamp=stamp)


def test_a_published_signature_of_the_first_version_is_refused() -> None:
    """It has no time in it: whoever has once seen it could send it for ever."""
    published = {
        "x-hubspot-signature": "232db2615f3d666fe21a8ec971ac7b5402d33b9a925784df3ca654d05f4817de",
        "x-hubspot-signature-version": "v1",
    }
    content = (
        b'[{"eventId":1,"subscriptionId":12345,"portalId":62515,"occurredAt":1564113600000,'
        b'"subscriptionType":"contact.creation","attemptNumber":0,"objectId":123,"changeSource":"CRM",'
        b'"changeFlag":"NEW","appId":54321}]'
    )
    secret = "yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy"
    assert hashlib.sha256(secret.encode() + content).hexdigest() == published["x-hubspot-signature"]
    with pytest.raises(Unverified, match="missing"):
        HOOK.verify(Incoming(published, content, URL, NOW), [secret], {})


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_the_older_signatures_are_refused(version: str) -> None:
    signed = "new-secret" + (f"POST{URL}" if version == "v2" else "") + CONTENT.decode()
    with pytest.raises(Unverified, match="missing"):
        verify(
            "",
            more={
                "x-hubspot-signature": hashlib.sha256(signed.encode()).hexdigest(),
                "x-hubspot-signature-version": version,
            },
        )


def test_a_workflows_contact_is_a_lead() -> None:
    (fact,) = read(CONTACT).facts
    lead, identity = fact.data, fact.identity
    assert fact.type == "lead.captured"
    assert (identity.email, identity.phone, identity.user_id) == ("ada@example.com", "+441632960961", "123")
    assert (lead.name, lead.message) == ("Ada Lovelace", "A machine\nthat computes.")
    assert (lead.form, lead.page) == ("Pricing: Talk to sales", "https://example.com/pricing")
    assert lead.campaign == Campaign(source="google", name="spring")
    assert lead.traits == {"company": "Analytical Engines", "role": "Engineer", "country": "GB"}
    assert read(CONTACT).facts[0].sender_id == fact.sender_id != read(CONTACT + b" ").facts[0].sender_id


def test_a_body_of_ones_own_choice_is_a_lead_too() -> None:
    (fact,) = read(b'{"email": "ada@example.com", "firstname": "Ada", "hs_object_id": 123}').facts
    assert (fact.identity.email, fact.identity.user_id, fact.data.name) == ("ada@example.com", "123", "Ada")


def test_events_tell_that_a_contact_is_there_and_what_changed() -> None:
    reading = read(CONTENT)
    created, changed, address = reading.facts
    assert {fact.type for fact in reading.facts} == {"contact.identified"}
    assert {fact.identity.user_id for fact in reading.facts} == {"123"}
    assert created.time == datetime(2026, 3, 10, 9, 55, 21, tzinfo=UTC)
    assert changed.data.traits == {"role": "Engineer"}
    assert address.identity.email == "ada@example.com"
    assert [fact.sender_id for fact in reading.facts] == ["25:3816279340", "26:3816279480", "27:3816279481"]
    assert list(reading.ignored) == ["deal.creation"]


def test_one_odd_event_costs_none_of_the_others() -> None:
    events = [None, 5, {}, {"subscriptionType": "contact.creation"}, *json.loads(CONTENT)]
    reading = read(json.dumps(events).encode())
    assert len(reading.facts) == 3
    assert list(reading.ignored) == ["none", "none", "none", "contact.creation", "deal.creation"]


@pytest.mark.parametrize(
    "content", [b"5", b"null", b"{}", b'{"properties": {"email": {"value": ""}}}', json.dumps([0] * 1001).encode()]
)
def test_what_names_nobody_is_refused(content: bytes) -> None:
    with pytest.raises(Refused):
        read(content)


@given(ANY_JSON | st.sampled_from(DOCUMENTS).flatmap(lambda each: mangled(each, ANY_JSON)))
def test_no_json_raises_anything_but_refused(document: Any) -> None:
    with suppress(Refused):
        HOOK.read(Incoming({}, b"x", URL, NOW), document, {})
