"""What is read at once into types is read as the other way reads it: the same fact, or it is left to the other way."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from services.ingest.domain.checks import Wrong
from services.ingest.domain.fact import Fact
from services.ingest.domain.plain.leads import read_lead
from services.ingest.domain.plain.typed import may_hold_nul
from services.ingest.domain.plain.typed_lead import read_typed_lead
from services.ingest.domain.segment.messages import read_segment
from services.ingest.domain.segment.names import NAMES
from services.ingest.domain.segment.typed_message import decode_typed, read_typed
from tests.unit.ingest.any_json import ANY, CALM, NOW, NUMBERS, TEXTS, TIMES, URLS, WORDS, having, outcome

IN_BYTES = msgspec.json.Encoder(order="sorted")
FLAGS = st.none() | st.booleans()
PADDED = st.sampled_from([" Ada ", "\tAda\n", "", "   ", "x" * 500, "x" * 501, " " + "x" * 500])
SAID = WORDS | TEXTS | PADDED | st.sampled_from(["undefined", " Null "])
MAILS = st.sampled_from(["a@example.com", "none@none.com", " B@Example.com ", "nobody", "ä@exämple.com", ""])
PHONES = st.sampled_from(["+44 1632 960961", "+1 555 555 5555", "+49 30 901820", "12", ""])
CAMPAIGNS = having(source=SAID, medium=SAID, name=SAID, gclid=SAID, referrer=SAID)
LEADS = having(
    email=MAILS, phone=PHONES, user_id=SAID, anonymous_id=SAID, name=SAID, form=SAID, page=URLS, interest=SAID,
    message=SAID, estimated_value=having(amount=st.sampled_from(["12.50", " 3 ", "-1", "1e5"]), currency=st.sampled_from(["EUR", "usd ", "ß"])),
    campaign=CAMPAIGNS, consent=having(email=FLAGS, phone=FLAGS, wording=SAID), traits=st.dictionaries(TEXTS, SAID | NUMBERS, max_size=3),
    company=SAID, country=SAID, size=SAID | NUMBERS, occurred_at=TIMES, message_id=SAID,
)  # fmt: skip
FEW_LEADS = st.fixed_dictionaries({"email": st.just("a@example.com")}, optional={
    "name": SAID, "company": SAID, "campaign": CAMPAIGNS, "occurred_at": TIMES, "traits": st.dictionaries(WORDS, SAID, max_size=3),
    "message_id": WORDS, "size": NUMBERS | SAID, "phone": PHONES, "consent": having(email=FLAGS, wording=SAID),
})  # fmt: skip
PROPERTIES = st.dictionaries(
    st.sampled_from(["url", "search", "email", "phone", "plan", "products", "price"]),
    URLS | MAILS | NUMBERS | SAID,
    max_size=4,
) | having(url=URLS, search=URLS, email=MAILS, phone=PHONES, products=ANY, plan=SAID)
CONTEXTS = st.fixed_dictionaries({}, optional={
    "campaign": CAMPAIGNS, "page": having(url=URLS, search=URLS, referrer=URLS), "ip": TEXTS, "userAgent": TEXTS, "locale": WORDS,
}) | having(campaign=CAMPAIGNS, page=ANY, traits=having(email=MAILS), userAgent=TEXTS)  # fmt: skip
MESSAGES = st.fixed_dictionaries({"userId": SAID}, optional={
    "anonymousId": SAID, "event": st.sampled_from([row.name for row in NAMES]) | SAID, "name": SAID, "properties": PROPERTIES,
    "context": CONTEXTS, "timestamp": TIMES, "sentAt": TIMES, "messageId": SAID, "integrations": ANY, "traits": ANY,
    "type": st.sampled_from(["track", "page", "identify"]),
})  # fmt: skip
A_LEAD = {
    "email": "ada@example.com", "name": "Ada", "message": "Hello", "campaign": {"source": "google"}, "company": "Engines",
    "estimated_value": {"amount": "500.00", "currency": "EUR"}, "consent": {"email": True, "wording": "Yes."},
    "traits": {"country": "DE", "size": 120}, "occurred_at": "2026-01-01T10:00:00+01:00", "message_id": "form-123",
}  # fmt: skip
A_MESSAGE = {
    "type": "track", "userId": "u-1", "event": "Pricing Compared", "messageId": "m-1", "timestamp": "2026-01-01T10:00:00+01:00",
    "properties": {"plan": "pro", "price": 12.5, "url": "https://example.com/?utm_source=x&gclid=1"},
    "context": {"campaign": {"source": "google"}, "page": {"url": "https://example.com/p"}, "ip": "192.0.2.1", "userAgent": "Mozilla"},
}  # fmt: skip


def same(plain: tuple[Fact | None, list[Wrong]], typed: Fact) -> None:
    assert plain == (typed, [])
    assert plain[0] is not None
    assert IN_BYTES.encode(plain[0].data) == IN_BYTES.encode(typed.data)  # 1 equals True and 1.0


def lead_both_ways(body: bytes) -> bool:
    typed = read_typed_lead(body)
    if typed is not None:
        same(outcome(lambda: read_lead(msgspec.json.decode(body))), typed)
    return typed is not None


def message_both_ways(body: bytes, kind: str, sent: datetime | None) -> bool:
    message = None if may_hold_nul(body) else decode_typed(body)
    typed = None if message is None else read_typed(message, kind, sent=sent, now=NOW)
    if typed is not None:
        for public in (False, True):
            data = msgspec.json.decode(body)
            same(outcome(lambda: read_segment(data, kind, sent=sent, now=NOW, public=public)), typed)  # noqa: B023 - at once
    return typed is not None


@CALM
@given(lead=LEADS | FEW_LEADS)
@example(lead={"email": "a@example.com", "size": "x" * 501})
@example(lead={"email": "a@example.com", "traits": {"company": None}, "company": "Engines"})
@example(lead={"email": "a@example.com", "traits": {"x": "\0"}})
@example(lead={"email": "a@example.com", "traits": {"x": 2**63}})
@example(lead={"email": "a@example.com", "occurred_at": "0001-01-01T00:00:00+14:00"})
def test_a_lead_is_the_same_both_ways(lead: Any) -> None:
    lead_both_ways(json.dumps(lead).encode())


@CALM
@given(
    message=MESSAGES, kind=st.sampled_from(["track", "page", "screen", "identify"]), late=st.none() | st.integers(-9, 9)
)
@example(message={"userId": "u", "event": "x", "properties": {"x": "\0"}}, kind="track", late=None)
@example(
    message={"userId": "a@example.com", "event": "x", "timestamp": "0001-01-01T00:00:00+14:00"}, kind="track", late=None
)
def test_a_message_is_the_same_both_ways(message: Any, kind: str, late: int | None) -> None:
    sent = None if late is None else NOW + timedelta(seconds=late)
    message_both_ways(json.dumps(message).encode(), kind, sent)


def test_the_usual_is_read_at_once() -> None:
    assert lead_both_ways(json.dumps(A_LEAD).encode())
    for kind in ("track", "page", "screen"):
        assert message_both_ways(json.dumps(A_MESSAGE).encode(), kind, datetime(2026, 1, 1, 11, tzinfo=UTC))


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", b'{"email": "\xff"}', b'{"a": ' + b"[" * 5000, b'{"unheard_of": 1}']
)
def test_what_is_none_of_these_is_left_to_the_other_way(body: bytes) -> None:
    assert read_typed_lead(body) is None


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", b'{"userId": "\xff"}', b'{"userId": ' + b"[" * 5000, b'{"userId": 7}']
)
def test_a_message_that_is_none_of_these_is_left_to_the_other_way(body: bytes) -> None:
    assert decode_typed(body) is None
