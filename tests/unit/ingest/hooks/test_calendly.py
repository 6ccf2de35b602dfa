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
from services.ingest.domain.hooks.senders.calendly import HOOK
from shared.events.types import Campaign
from tests.unit.ingest.hooks.cases import ANY_JSON, NOW, body, incoming, mangled, read, wrong_in

BODY = body("calendly", "invitee_created")
DOCUMENT: dict[str, Any] = json.loads(BODY)
INVITEE = "https://api.calendly.com/scheduled_events/EEEEEEEEEEEEEEEE/invitees/1111111111111111"
OLD = "https://api.calendly.com/scheduled_events/DDDDDDDDDDDDDDDD/invitees/0000000000000000"
SECRETS = ["old-secret", "new-secret"]
STAMP = int(NOW.timestamp())


def sign(content: bytes, secret: str, stamp: int = STAMP) -> str:
    digest = hmac.new(secret.encode(), f"{stamp}.".encode() + content, hashlib.sha256).hexdigest()
    return f"t={stamp},v1={digest}"


def invitee(event: str = "invitee.created", **payload: Any) -> dict[str, Any]:
    document = copy.deepcopy(DOCUMENT)
    document["event"] = event
    document["payload"] |= payload
    return document


def test_a_booking_is_a_lead_and_a_meeting() -> None:
    lead, meeting = read(HOOK, BODY).facts
    assert [(fact.type, fact.sender_id) for fact in (lead, meeting)] == [
        ("lead.captured", f"{INVITEE}#lead"),
        ("engagement.recorded", f"{INVITEE}#meeting_booked"),
    ]
    assert lead.time == meeting.time == datetime(2026, 3, 10, 11, 59, tzinfo=UTC)
    assert lead.identity == meeting.identity
    captured: Any = lead.data
    assert (captured.identity.email, captured.identity.phone) == ("ada@example.com", "+441632960961")
    assert (captured.name, captured.interest, captured.form) == ("Ada Lovelace", "Demo", "TTTTTTTTTTTTTTTT")
    assert captured.campaign == Campaign(source="newsletter", name="spring")
    assert captured.traits == {
        "company": "Analytical Engines",
        "How many seats?": "12",
        "time_zone": "Europe/London",
        "phone_as_written": "+44 1632 960961",
    }
    booked: Any = meeting.data
    assert (booked.kind, booked.what, booked.campaign) == ("meeting_booked", "Demo", captured.campaign)
    assert booked.properties["starts_at"] == "2026-03-12T14:00:00.000000Z"


def test_a_cancellation_is_a_meeting_less() -> None:
    (fact,) = read(HOOK, invitee("invitee.canceled", cancellation={"reason": "ill", "canceler_type": "host"})).facts
    meeting: Any = fact.data
    assert (meeting.kind, fact.sender_id) == ("meeting_canceled", f"{INVITEE}#meeting_canceled")
    assert (meeting.properties["reason"], meeting.properties["canceled_by"]) == ("ill", "host")


def test_a_reschedule_is_neither_two_meetings_nor_a_lead_nor_a_cancellation() -> None:
    canceled = read(HOOK, invitee("invitee.canceled", rescheduled=True, new_invitee=INVITEE, uri=OLD))
    assert (canceled.facts, canceled.ignored) == ((), ("invitee.canceled:rescheduled",))
    (fact,) = read(HOOK, invitee(old_invitee=OLD)).facts
    meeting: Any = fact.data
    assert (fact.type, meeting.kind) == ("engagement.recorded", "meeting_rescheduled")
    assert meeting.properties["old_invitee"] == OLD


def test_other_events_are_ignored_by_name() -> None:
    assert read(HOOK, invitee("routing_form_submission.created")).ignored == ("routing_form_submission.created",)


@pytest.mark.parametrize(
    ("change", "at"),
    [({"uri": None}, "/payload/uri"), ({"email": None, "text_reminder_number": None}, "/payload/email")],
)
def test_what_is_missing_is_named(change: dict[str, Any], at: str) -> None:
    with pytest.raises(Refused) as refused:
        read(HOOK, invitee(**change))
    assert [wrong.at for wrong in refused.value.wrong] == [at]


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("late", [-179, 0, 179])
def test_either_secret_opens_for_three_minutes(secret: str, late: int) -> None:
    HOOK.verify(incoming(BODY, calendly_webhook_signature=sign(BODY, secret, STAMP - late)), SECRETS, {})


def test_openssl_signs_the_same(tmp_path: Path) -> None:
    (tmp_path / "signed").write_bytes(b"%d." % STAMP + BODY)
    command = ["openssl", "dgst", "-sha256", "-hmac", "new-secret", "-r", str(tmp_path / "signed")]
    digest = subprocess.check_output(command, text=True).split()[0]
    HOOK.verify(incoming(BODY, calendly_webhook_signature=f"t={STAMP},v1={digest}"), SECRETS, {})


@pytest.mark.parametrize(
    "signature",
    [
        None,
        "",
        "t=,v1=",
        sign(BODY, "wrong"),
        sign(BODY + b" ", "new-secret"),
        sign(BODY, "new-secret", STAMP - 181),
        sign(BODY, "new-secret", STAMP + 181),
        sign(BODY, "new-secret").replace(str(STAMP), str(STAMP + 1)),
        sign(BODY, "new-secret").partition(",")[0],
        sign(BODY, "new-secret").partition(",")[2],
        sign(BODY, "new-secret").replace("v1", "v0"),
        "t=9\u00b9,v1=ab",
        "t=" + "9" * 5000 + ",v1=ab",
    ],
)
def test_nothing_else_opens(signature: str | None) -> None:
    headers = {} if signature is None else {"calendly_webhook_signature": signature}
    with pytest.raises(Unverified):
        HOOK.verify(incoming(BODY, **headers), SECRETS, {})


@given(ANY_JSON | mangled(DOCUMENT, ANY_JSON))
def test_whatever_comes_is_read_or_refused(document: Any) -> None:
    assert all(wrong.at.startswith("/") for wrong in wrong_in(HOOK, document))
