import base64
import copy
import hashlib
import hmac
import json
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

from services.ingest.domain.fact import Refused
from services.ingest.domain.hooks.hook import Unverified
from services.ingest.domain.hooks.senders.typeform import HOOK
from shared.events.types import Campaign, Consent
from tests.unit.ingest.hooks.cases import ANY_JSON, body, incoming, mangled, read, wrong_in

BODY = body("typeform", "form_response")
DOCUMENT: dict[str, Any] = json.loads(BODY)
SECRETS = ["old-secret", "new-secret"]


def sign(content: bytes, secret: str) -> str:
    return "sha256=" + base64.b64encode(hmac.new(secret.encode(), content, hashlib.sha256).digest()).decode()


def response(answers: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    document = copy.deepcopy(DOCUMENT)
    document["form_response"] |= {"answers": answers, "hidden": {}, **more}
    return document


def test_a_response_is_a_lead_with_its_answers() -> None:
    (fact,) = read(HOOK, BODY).facts
    assert (fact.type, fact.sender_id) == ("lead.captured", "a3a12ec67a1365927098a606107fac15")
    assert fact.time == datetime(2026, 3, 10, 11, 55, 21, tzinfo=UTC)
    lead: Any = fact.data
    assert fact.identity == lead.identity
    assert (lead.identity.email, lead.identity.phone) == ("ada@example.com", "+441632960961")
    assert (lead.name, lead.form, lead.message) == ("Ada Lovelace", "lT4Z3j", "A machine\nthat computes.")
    assert lead.campaign == Campaign(source="newsletter", name="spring")
    assert lead.consent == Consent(email=True, purposes={"newsletter": True}, wording="May we send you our newsletter?")
    assert lead.traits == {
        "company": "Analytical Engines",
        "country": "GB",
        "plan": "pro",
        "Which product?": "Engine",
        "Which channels?": "Post, Telegraph, Pigeon",
        "How many seats?": "12",
        "When do you start?": "2026-04-01",
        "Your website": "https://engines.example.com",
        "form_title": "Talk to sales",
        "form_score": "9",
        "phone_as_written": "+441632960961",
    }


@pytest.mark.parametrize("secret", SECRETS)
def test_either_secret_opens(secret: str) -> None:
    HOOK.verify(incoming(BODY, typeform_signature=sign(BODY, secret)), SECRETS, {})


def test_openssl_signs_the_same(tmp_path: Path) -> None:
    (tmp_path / "body").write_bytes(BODY)
    digest = subprocess.check_output(
        ["openssl", "dgst", "-sha256", "-hmac", "new-secret", "-binary", tmp_path / "body"]
    )
    signature = "sha256=" + base64.b64encode(digest).decode()
    HOOK.verify(incoming(BODY, typeform_signature=signature), SECRETS, {})


@pytest.mark.parametrize(
    "signature",
    [
        None,
        "",
        "sha256=",
        sign(BODY, "wrong"),
        sign(BODY + b" ", "new-secret"),
        sign(BODY, "new-secret").removeprefix("sha256="),
        "sha256=" + hmac.new(b"new-secret", BODY, hashlib.sha256).hexdigest(),
        "sha1=" + base64.b64encode(hmac.new(b"new-secret", BODY, hashlib.sha1).digest()).decode(),
        "sha256=\xff",
    ],
)
def test_nothing_else_opens(signature: str | None) -> None:
    headers = {} if signature is None else {"typeform_signature": signature}
    with pytest.raises(Unverified):
        HOOK.verify(incoming(BODY, **headers), SECRETS, {})


def test_without_a_secret_nothing_opens() -> None:
    with pytest.raises(Unverified):
        HOOK.verify(incoming(BODY, typeform_signature=sign(BODY, "")), [], {})


def test_other_events_are_ignored_by_name() -> None:
    assert read(HOOK, {**DOCUMENT, "event_type": "form_response_partial"}).ignored == ("form_response_partial",)


def test_a_second_webhook_of_the_same_response_is_the_same_event() -> None:
    first, second = (read(HOOK, {**DOCUMENT, "event_id": event_id}).facts[0].sender_id for event_id in ("1", "2"))
    assert first == second


def test_a_copy_from_long_ago_is_refused() -> None:
    with pytest.raises(Refused) as refused:
        read(HOOK, response(DOCUMENT["form_response"]["answers"], submitted_at="2026-02-01T00:00:00Z"))
    assert [wrong.at for wrong in refused.value.wrong] == ["/form_response/submitted_at"]


def test_a_lead_with_nobody_in_it_is_refused_where_the_answers_are() -> None:
    with pytest.raises(Refused) as refused:
        read(HOOK, response([{"type": "text", "text": "hello", "field": {"id": "x"}}]))
    assert [wrong.at for wrong in refused.value.wrong] == ["/form_response/answers"]


def test_a_wrong_address_is_named_by_its_place_and_without_its_value() -> None:
    with pytest.raises(Refused) as refused:
        read(HOOK, response([{"type": "number", "number": 1}, {"type": "email", "email": "not-an-address"}]))
    ((at, problem),) = refused.value.wrong
    assert at == "/form_response/answers/1"
    assert "not-an-address" not in problem


def test_a_wrong_address_beside_a_good_number_costs_no_lead() -> None:
    answers = [{"type": "email", "email": "nobody"}, {"type": "phone_number", "phone_number": "+441632960961"}]
    (fact,) = read(HOOK, response(answers)).facts
    lead: Any = fact.data
    assert (lead.identity.email, lead.identity.phone) == (None, "+441632960961")
    assert lead.traits["email"] == "nobody"


def test_of_two_addresses_the_one_that_can_be_written_to_counts() -> None:
    answers = [
        {"type": "email", "email": "nobody", "field": {"id": "a", "ref": "email"}},
        {"type": "email", "email": "ada@example.com", "field": {"id": "b", "ref": "other"}},
    ]
    (fact,) = read(HOOK, response(answers)).facts
    assert fact.identity.email == "ada@example.com"


def test_what_is_too_long_is_cut_and_costs_no_lead() -> None:
    email = {"type": "email", "email": "ada@example.com"}
    fields = [{"id": str(place), "title": "Q" * 3000} for place in range(2)]
    texts = [{"type": "text", "text": "x" * 20_000 + "\0", "field": {"id": str(place)}} for place in range(2)]
    document = response([email, *texts], definition={"fields": fields}, hidden={"utm_source": "y" * 900})
    (fact,) = read(HOOK, document).facts
    lead: Any = fact.data
    assert len(lead.message) == 10_000
    assert lead.traits["Q" * 100] == "x" * 500
    assert lead.campaign == Campaign(source="y" * 500)


def test_questions_of_the_same_name_keep_both_answers() -> None:
    answers: list[dict[str, Any]] = [
        {"type": "email", "email": "a@example.com"},
        {"type": "number", "number": 1},
        {"type": "number", "number": 2},
    ]
    (fact,) = read(HOOK, response(answers)).facts
    lead: Any = fact.data
    assert (lead.traits["number"], lead.traits["number 2"]) == ("1", "2")


@pytest.mark.parametrize(
    ("answer", "consent"),
    [
        ({"type": "boolean", "boolean": False}, Consent(purposes={"newsletter": False}, wording="newsletter")),
        ({"type": "text", "text": "Only if you must"}, None),
    ],
)
def test_a_consent_is_only_what_says_yes_or_no(answer: dict[str, Any], consent: Consent | None) -> None:
    answers = [{"type": "email", "email": "a@example.com"}, {**answer, "field": {"ref": "newsletter"}}]
    (fact,) = read(HOOK, response(answers)).facts
    lead: Any = fact.data
    assert lead.consent == consent
    assert ("newsletter" in lead.traits) == (consent is None)


def test_the_mapping_of_sources_yaml_goes_before_the_guesses() -> None:
    (fact,) = read(HOOK, BODY, fields={"interest": "Which product?", "name": "company"}).facts
    lead: Any = fact.data
    assert (lead.interest, lead.name) == ("Engine", "Analytical Engines")


@given(ANY_JSON | mangled(DOCUMENT, ANY_JSON))
def test_whatever_comes_is_read_or_refused(document: Any) -> None:
    assert all(wrong.at.startswith("/") for wrong in wrong_in(HOOK, document))
