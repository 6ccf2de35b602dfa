import base64
import copy
import hashlib
import hmac
import json
import subprocess
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given

from services.ingest.domain.fact import Refused
from services.ingest.domain.hooks.hook import Unverified
from services.ingest.domain.hooks.senders.tally import HOOK
from shared.events.types import Campaign, Consent
from tests.unit.ingest.hooks.cases import ANY_JSON, body, incoming, mangled, read, wrong_in

BODY = body("tally", "form_response")
DOCUMENT: dict[str, Any] = json.loads(BODY)
SECRETS = ["old-secret", "new-secret"]


def sign(content: bytes, secret: str) -> str:
    return base64.b64encode(hmac.new(secret.encode(), content, hashlib.sha256).digest()).decode()


def form(*fields: dict[str, Any], **data: Any) -> dict[str, Any]:
    document = copy.deepcopy(DOCUMENT)
    document["data"] |= {"fields": list(fields), **data}
    return document


def test_a_response_is_a_lead_with_its_answers() -> None:
    (fact,) = read(HOOK, BODY).facts
    assert (fact.type, fact.sender_id) == ("lead.captured", "2wgx4n")
    assert fact.time == datetime(2026, 3, 10, 11, 55, 21, tzinfo=UTC)
    lead: Any = fact.data
    assert (lead.identity.email, lead.identity.phone) == ("ada@example.com", "+441632960961")
    assert (lead.name, lead.form, lead.interest) == ("Ada Lovelace", "VwbNEw", "Pricing, Security")
    assert lead.message == "A machine that computes."
    assert lead.campaign == Campaign(source="google", gclid="Cj0KCQ")
    assert lead.consent == Consent(email=True, wording="Yes, you may write to me once a month.")
    assert lead.traits == {
        "Team size": "12",
        "Plan": "Pro",
        "Extras": "Training",
        "Brief": "https://storage.example.com/brief.pdf",
        "form_title": "Ask for a demo",
        "phone_as_written": "+441632960961",
    }


@pytest.mark.parametrize("secret", SECRETS)
def test_either_secret_opens(secret: str) -> None:
    HOOK.verify(incoming(BODY, tally_signature=sign(BODY, secret)), SECRETS, {})


def test_openssl_signs_the_same() -> None:
    command = ["openssl", "dgst", "-sha256", "-hmac", "new-secret", "-binary"]
    digest = subprocess.run(command, input=BODY, capture_output=True, check=True).stdout
    HOOK.verify(incoming(BODY, tally_signature=base64.b64encode(digest).decode()), SECRETS, {})


@pytest.mark.parametrize("signature", [None, "", sign(BODY, "wrong"), sign(BODY + b" ", "new-secret"), "é"])
def test_nothing_else_opens(signature: str | None) -> None:
    headers = {} if signature is None else {"tally_signature": signature}
    with pytest.raises(Unverified):
        HOOK.verify(incoming(BODY, **headers), SECRETS, {})


def test_other_events_are_ignored_by_name() -> None:
    assert read(HOOK, {"eventType": "FORM_DELETED"}).ignored == ("FORM_DELETED",)


def test_a_box_that_was_not_ticked_says_nothing() -> None:
    box = {
        "key": "q",
        "label": "Newsletter",
        "type": "CHECKBOXES",
        "value": None,
        "options": [{"id": "n", "text": "Yes"}],
    }
    single = {"key": "q_n", "label": "Newsletter (Yes)", "type": "CHECKBOXES", "value": False}
    (fact,) = read(HOOK, form({"label": "Email", "value": "a@example.com"}, box, single)).facts
    lead: Any = fact.data
    assert lead.consent is None


def test_a_response_without_an_id_of_its_own_has_its_events() -> None:
    document = form({"type": "INPUT_EMAIL", "value": "a@example.com"}, responseId=None)
    (fact,) = read(HOOK, document).facts
    assert fact.sender_id == DOCUMENT["eventId"]
    with pytest.raises(Refused) as refused:
        read(HOOK, {**document, "eventId": None})
    assert [wrong.at for wrong in refused.value.wrong] == ["/data/responseId"]


def test_a_copy_from_long_ago_is_refused() -> None:
    with pytest.raises(Refused):
        read(HOOK, form({"type": "INPUT_EMAIL", "value": "a@example.com"}, createdAt="2025-03-10T11:55:21.000Z"))


@given(ANY_JSON | mangled(DOCUMENT, ANY_JSON))
def test_whatever_comes_is_read_or_refused(document: Any) -> None:
    assert all(wrong.at.startswith("/") for wrong in wrong_in(HOOK, document))
