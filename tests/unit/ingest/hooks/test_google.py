import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.domain.fact import Refused
from services.ingest.domain.hooks.hook import Unverified
from services.ingest.domain.hooks.senders.google import HOOK
from shared.events.types import Campaign
from tests.unit.ingest.hooks.cases import ANY_JSON, body, incoming, mangled, read, wrong_in

BODY = body("google", "lead")
DOCUMENT: dict[str, Any] = json.loads(BODY)
SECRETS = ["the-next-key", "the-right-key"]


def with_key(key: Any) -> bytes:
    return json.dumps({**DOCUMENT, "google_key": key}).encode()


def test_a_lead_with_its_columns() -> None:
    (fact,) = read(HOOK, BODY).facts
    assert (fact.type, fact.sender_id) == ("lead.captured", DOCUMENT["lead_id"])
    assert fact.time == datetime(2026, 3, 10, 11, 55, 21, tzinfo=UTC)
    lead: Any = fact.data
    assert (lead.identity.email, lead.identity.phone) == ("ada@example.com", "+441632960961")
    assert (lead.name, lead.form) == ("Ada Lovelace", "40000000001")
    assert lead.campaign == Campaign(source="google", medium="cpc", name="123456789", gclid="Cj0KCQ")
    assert lead.traits == {
        "company": "Analytical Engines",
        "role": "Countess",
        "Which product?": "Engine",
        "google_campaign_id": "123456789",
        "google_adgroup_id": "20000000000",
        "google_creative_id": "30000000000",
        "phone_as_written": "+441632960961",
    }


def test_the_key_is_kept_nowhere() -> None:
    assert "the-right-key" not in repr(read(HOOK, BODY))


def test_a_test_is_never_a_lead() -> None:
    reading = read(HOOK, {**DOCUMENT, "is_test": True})
    assert (reading.facts, reading.ignored) == ((), ("test",))


@pytest.mark.parametrize("key", SECRETS)
def test_either_key_opens(key: str) -> None:
    HOOK.verify(incoming(with_key(key)), SECRETS, {})


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff",
        b"[" * 100_000,
        b"null",
        b"[]",
        b"{}",
        *map(with_key, (None, "", 5, ["the-right-key"], "wrong")),
    ],
)
def test_nothing_else_opens(content: bytes) -> None:
    with pytest.raises(Unverified):
        HOOK.verify(incoming(content), SECRETS, {})


def test_without_a_secret_nothing_opens() -> None:
    with pytest.raises(Unverified):
        HOOK.verify(incoming(with_key("")), [], {})


@given(st.binary() | ANY_JSON.map(lambda each: json.dumps(each).encode()) | ANY_JSON.map(with_key))
def test_whatever_comes_does_not_open(content: bytes) -> None:
    with pytest.raises(Unverified):
        HOOK.verify(incoming(content), SECRETS, {})


@pytest.mark.parametrize(("field", "at"), [("lead_id", "/lead_id"), ("user_column_data", "/user_column_data")])
def test_what_is_missing_is_named(field: str, at: str) -> None:
    with pytest.raises(Refused) as refused:
        read(HOOK, {**DOCUMENT, field: None})
    assert [wrong.at for wrong in refused.value.wrong] == [at]


@given(ANY_JSON | mangled(DOCUMENT, ANY_JSON))
def test_whatever_comes_is_read_or_refused(document: Any) -> None:
    assert all(wrong.at.startswith("/") for wrong in wrong_in(HOOK, document))
