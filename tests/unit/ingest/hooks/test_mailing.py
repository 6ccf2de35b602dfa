"""What senders of mail tell of an address, by the shapes of their own documentation."""

import json
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.domain.fact import Refused
from services.ingest.domain.hooks.hook import Hook, Incoming, Reading, Unverified, sha256
from services.ingest.domain.hooks.mailing import mailchimp, mailgun, postmark, sendgrid, ses
from services.ingest.domain.hooks.senders.hubspot import HOOK as HUBSPOT
from services.ingest.domain.hooks.senders.shopify import HOOK as SHOPIFY
from services.ingest.domain.hooks.senders.stripe import HOOK as STRIPE
from services.ingest.domain.hooks.told import check_told
from shared.events.types import ConsentChanged
from tests.unit.ingest.hooks.cases import ANY_JSON, NOW, incoming, mangled
from tests.unit.ingest.hooks.cases import read as read_it

WHO = "ada@example.com"


def sns(message: dict[str, Any], kind: str = "Notification") -> dict[str, Any]:
    return {"Type": kind, "MessageId": "22b80b92", "TopicArn": "arn:x", "Message": json.dumps(message)}


BOUNCE = {
    "notificationType": "Bounce",
    "bounce": {
        "bounceType": "Permanent", "bounceSubType": "General", "timestamp": "2026-03-10T10:00:00.000Z",
        "bouncedRecipients": [{"emailAddress": WHO, "action": "failed", "status": "5.1.1"}],
    },
    "mail": {"messageId": "0100"},
}  # fmt: skip
COMPLAINT = {
    "eventType": "Complaint",
    "complaint": {"complainedRecipients": [{"emailAddress": WHO}], "complaintFeedbackType": "abuse", "timestamp": "2026-03-10T10:00:00Z"},
}  # fmt: skip


def topic(name: str, status: str) -> dict[str, Any]:
    return {"topicSubscriptionStatus": [{"topicName": name, "subscriptionStatus": status}, {"topicName": "news", "subscriptionStatus": "OptIn"}]}  # fmt: skip


def subscription(after: Any, before: Any = None) -> dict[str, Any]:
    """As https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-examples.html has it."""
    was = {"unsubscribeAll": False, **(before or topic("offers", "OptIn"))}
    told = {"contactList": "l", "timestamp": "2026-03-10T10:00:00.000Z", "source": "UnsubscribeHeader", "newTopicPreferences": after, "oldTopicPreferences": was}  # fmt: skip
    return {"eventType": "Subscription", "mail": {"destination": [WHO], "messageId": "0100"}, "subscription": told}


MAILGUN = {"id": "ev-1", "timestamp": 1773136521.5, "recipient": WHO}
POSTMARK = {
    "RecordType": "Bounce",
    "ID": 42,
    "Type": "HardBounce",
    "Email": WHO,
    "BouncedAt": "2026-03-10T10:00:00Z",
    "Inactive": True,
}
SENDGRID = {"email": WHO, "timestamp": 1773136521, "sg_event_id": "sg-1"}
MAILCHIMP = {
    "type": "unsubscribe",
    "fired_at": "2026-03-10 10:00:00",
    "data": {"action": "unsub", "reason": "manual", "email": WHO, "list_id": "l1"},
}
SHOP = {"customer_id": 4242, "email_address": WHO}

# sender, body, given, purpose, words of the proof
TOLD: list[tuple[Hook, Any, bool, str | None, str]] = [
    # https://docs.aws.amazon.com/ses/latest/dg/notification-examples.html
    (ses.HOOK, sns(BOUNCE), False, None, "SES: bounce, General"),
    (ses.HOOK, BOUNCE, False, None, "SES: bounce, General"),  # raw message delivery
    (ses.HOOK, sns(COMPLAINT), False, None, "SES: complaint, abuse"),
    (ses.HOOK, sns(subscription({"unsubscribeAll": True})), False, "news", "SES: unsubscribed"),
    (ses.HOOK, sns(subscription({"unsubscribeAll": False, **topic("offers", "OptOut")}, topic("offers", "OptIn"))), False, "ses-offers",
     "SES: unsubscribed from offers"),
    (ses.HOOK, sns(subscription(topic("offers", "OptIn"), topic("offers", "OptOut"))), True, "ses-offers", "SES: subscribed to offers"),
    # https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/webhook-payloads, …/events/event-types
    (mailgun.HOOK, {"event-data": {**MAILGUN, "event": "unsubscribed"}}, False, "news", "Mailgun: unsubscribed"),
    (mailgun.HOOK, {"event-data": {**MAILGUN, "event": "complained"}}, False, None, "Mailgun: marked it as spam"),
    (mailgun.HOOK, {"event-data": {**MAILGUN, "event": "failed", "severity": "permanent"}}, False, None, "Mailgun: permanent failure"),
    # https://postmarkapp.com/developer/webhooks/bounce-webhook, …/spam-complaint-webhook, …/subscription-change-webhook
    (postmark.HOOK, POSTMARK, False, None, "Postmark: HardBounce"),
    (postmark.HOOK, {**POSTMARK, "RecordType": "SpamComplaint", "Type": "SpamComplaint"}, False, None, "Postmark: SpamComplaint"),
    (postmark.HOOK, {"RecordType": "SubscriptionChange", "Recipient": WHO, "SuppressSending": True, "SuppressionReason": "ManualSuppression",
                     "ChangedAt": "2026-03-10T10:00:00Z", "MessageStream": "outbound"}, False, "news", "Postmark: ManualSuppression"),
    (postmark.HOOK, {"RecordType": "SubscriptionChange", "Recipient": WHO, "SuppressSending": False, "ChangedAt": "2026-03-10T10:00:00Z"},
     True, "news", "Postmark: subscribed again"),
    # https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event
    (sendgrid.HOOK, [{**SENDGRID, "event": "bounce", "type": "bounce", "reason": "550 no such user"}], False, None, "SendGrid: bounce, 550 no such user"),
    (sendgrid.HOOK, [{**SENDGRID, "event": "dropped", "reason": "Bounced Address"}], False, None, "SendGrid: dropped, Bounced Address"),
    (sendgrid.HOOK, [{**SENDGRID, "event": "spamreport"}], False, None, "SendGrid: spamreport"),
    (sendgrid.HOOK, [{**SENDGRID, "event": "unsubscribe"}], False, "news", "SendGrid: unsubscribe"),
    (sendgrid.HOOK, [{**SENDGRID, "event": "group_unsubscribe", "asm_group_id": 10}], False, "group-10", "SendGrid: group_unsubscribe"),
    (sendgrid.HOOK, [{**SENDGRID, "event": "group_resubscribe", "asm_group_id": 10}], True, "group-10", "SendGrid: group_resubscribe"),
    # https://mailchimp.com/developer/marketing/guides/sync-audience-data-webhooks/
    (mailchimp.HOOK, MAILCHIMP, False, "news", "Mailchimp: manual, list l1"),
    (mailchimp.HOOK, {**MAILCHIMP, "type": "subscribe"}, True, "news", "Mailchimp: manual, list l1"),
    (mailchimp.HOOK, {"type": "cleaned", "fired_at": "2026-03-10 10:00:00", "data": {"reason": "hard", "email": WHO, "list_id": "l1"}},
     False, None, "Mailchimp: hard, list l1"),
]  # fmt: skip


def read(hook: Hook, document: Any) -> Reading:
    return read_it(hook, document, purpose="news") if "purpose" in hook.options else read_it(hook, document)


@pytest.mark.parametrize(
    ("hook", "document", "given_", "purpose", "proof"), TOLD, ids=lambda each: getattr(each, "kind", None)
)
def test_a_word_on_consent_has_its_purpose_and_proof(
    hook: Hook, document: Any, given_: bool, purpose: str | None, proof: str
) -> None:
    (fact,) = read(hook, document).facts
    said = fact.data
    assert isinstance(said, ConsentChanged)
    assert (fact.type, fact.identity.email) == ("consent.changed", WHO)
    assert (said.channel, said.given, said.purpose, said.proof) == ("email", given_, purpose, proof)
    assert fact.time is not None
    assert fact.sender_id
    assert read(hook, document).facts[0].sender_id == fact.sender_id, "sent again it is the same"


@pytest.mark.parametrize(
    ("hook", "document"),
    [
        (
            ses.HOOK,
            sns({**BOUNCE, "bounce": {"bounceType": "Transient", "bouncedRecipients": [{"emailAddress": WHO}]}}),
        ),
        (ses.HOOK, sns({"notificationType": "Delivery"})),
        (mailgun.HOOK, {"event-data": {**MAILGUN, "event": "failed", "severity": "temporary"}}),
        (mailgun.HOOK, {"event-data": {**MAILGUN, "event": "opened"}}),
        (mailgun.HOOK, {"event-data": {**MAILGUN, "event": "failed", "severity": "permanent", "reason": "old"}}),
        (ses.HOOK, sns(subscription(topic("offers", "OptIn")))),
        (postmark.HOOK, {**POSTMARK, "Type": "Transient", "Inactive": False}),
        (postmark.HOOK, {"RecordType": "Open", "Recipient": WHO}),
        (sendgrid.HOOK, [{**SENDGRID, "event": "bounce", "type": "blocked"}, {**SENDGRID, "event": "open"}]),
        (mailchimp.HOOK, {"type": "campaign", "data": {"id": "c1"}}),
    ],
)
def test_what_says_nothing_of_it_is_ignored(hook: Hook, document: Any) -> None:
    reading = read(hook, document)
    assert not reading.facts
    assert reading.ignored


@pytest.mark.parametrize(
    ("hook", "document"),
    [
        (ses.HOOK, []), (ses.HOOK, {"Type": "Notification", "MessageId": "m", "Message": "{"}), (sendgrid.HOOK, {}),
        (mailgun.HOOK, {"event-data": {**MAILGUN, "event": "complained", "recipient": "nobody"}}),
        (postmark.HOOK, {**POSTMARK, "Email": "nobody"}), (mailchimp.HOOK, {**MAILCHIMP, "data": {"email": "x"}}),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused(hook: Hook, document: Any) -> None:
    with pytest.raises(Refused):
        read(hook, document)


def test_of_a_list_of_events_the_good_ones_are_taken_and_the_bad_ones_named() -> None:
    reading = read(sendgrid.HOOK, [{**SENDGRID, "event": "spamreport"}, {"event": "spamreport", "sg_event_id": "2"}])
    assert len(reading.facts) == 1
    assert [each.at for each in reading.refused] == ["/1/email"]


def test_sns_names_the_link_that_somebody_has_to_open() -> None:
    link = "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&Token=x"
    asked = read(ses.HOOK, {"Type": "SubscriptionConfirmation", "SubscribeURL": link})
    ended = read(ses.HOOK, {"Type": "UnsubscribeConfirmation", "SubscribeURL": link})
    assert [(each.to_confirm, each.ended) for each in (asked, ended)] == [(link, False), (link, True)]
    for other in ("https://evil.example/?Action=ConfirmSubscription", "http://sns.eu-west-1.amazonaws.com/", None):
        with pytest.raises(Refused):
            read(ses.HOOK, {"Type": "SubscriptionConfirmation", "SubscribeURL": other})


def test_mailgun_signs_in_the_body() -> None:
    stamp = str(int(NOW.timestamp()))
    signature = sha256(b"key", f"{stamp}tok".encode()).hex()
    signed = {"signature": {"timestamp": stamp, "token": "tok", "signature": signature}}
    mailgun.HOOK.verify(incoming(json.dumps(signed).encode()), ["old", "key"], {})
    for body in (b"", b"{", b"{}", json.dumps({"signature": {**signed["signature"], "token": "other"}}).encode()):
        with pytest.raises(Unverified):
            mailgun.HOOK.verify(incoming(body), ["key"], {})


@pytest.mark.parametrize("url", ["https://in.example.com/hooks/list/{}", "https://in.example.com/hooks/list?secret={}"])
def test_a_secret_that_setup_made_stands_in_the_url_as_it_is(url: str) -> None:
    secret = "whsec_a/b+c//d+e=="  # as base64 may be
    check_told(Incoming({}, b"", url.format(secret), NOW), [secret], {})
    check_told(Incoming({}, b"", url.format(quote(secret, safe="")), NOW), [secret], {})


@pytest.mark.parametrize(
    ("url", "headers"),
    [
        ("https://in.example.com/hooks/list/s3cret", {}),
        ("https://in.example.com/x/hooks/list/s3cret?a=b", {}),
        ("https://in.example.com/hooks/list?secret=s3cret", {}),
        ("https://in.example.com/hooks/list?token=s3cret", {}),
        ("https://in.example.com/hooks/list", {"authorization": "Basic dXNlcjpzM2NyZXQ="}),
    ],
)
def test_a_secret_is_told_in_the_url_or_by_basic(url: str, headers: dict[str, str]) -> None:
    check_told(Incoming(headers, b"", url, NOW), ["other", "s3cret"], {})
    for wrong in ([], ["S3cret"], ["s3cre"]):
        with pytest.raises(Unverified):
            check_told(Incoming(headers, b"", url, NOW), wrong, {})
    for none in ("https://in.example.com/hooks/list", "https://in.example.com/hooks/list/?secret="):
        with pytest.raises(Unverified):
            check_told(Incoming({}, b"", none, NOW), ["s3cret", ""], {})


@pytest.mark.parametrize(
    ("topic", "change", "channel", "given_"),
    [
        ("customers_email_marketing_consent/update", {**SHOP, "email_marketing_consent": {"state": "unsubscribed"}}, "email", False),
        ("customers_email_marketing_consent/update", {**SHOP, "email_marketing_consent": {"state": "subscribed"}}, "email", True),
        ("customers_email_marketing_consent/update", {**SHOP, "email_marketing_consent": {"state": "invalid"}}, "email", False),
        ("customers_sms_marketing_consent/update", {"customer_id": 4242, "phone": "+447700900123", "sms_marketing_consent": {"state": "unsubscribed"}}, "sms", False),
        ("customers_marketing_consent/update", {"customer_id": 4242, "phone": "+447700900123", "sms_marketing_consent": {"state": "unsubscribed"}}, "sms", False),
        ("customers/update", {"id": 4242, "email": WHO, "sms_marketing_consent": {"state": "subscribed"}}, "sms", True),
    ],
)  # fmt: skip
def test_shopify_tells_of_consent_by_a_topic_of_its_own(topic: str, change: Any, channel: str, given_: bool) -> None:
    facts = SHOPIFY.read(incoming(x_shopify_topic=topic), change, {}).facts
    said: Any = facts[-1].data
    assert (facts[-1].type, said.channel, said.given, said.identity.user_id) == (
        "consent.changed",
        channel,
        given_,
        "4242",
    )


def test_shopify_s_other_states_say_neither() -> None:
    change = {**SHOP, "email_marketing_consent": {"state": "pending"}}
    topic = "customers_email_marketing_consent/update"
    assert not SHOPIFY.read(incoming(x_shopify_topic=topic), change, {}).facts
    with pytest.raises(Refused):
        SHOPIFY.read(incoming(x_shopify_topic=topic), {"email_marketing_consent": {"state": "subscribed"}}, {})


@pytest.mark.parametrize(
    ("name", "value", "purpose"),
    [
        ("hs_email_optout", "true", None), ("hs_email_optout_12345", "true", "hubspot-12345"),
        ("hs_email_hard_bounce_reason_enum", "UNKNOWN_USER", None), ("hs_email_quarantined", "true", None),
    ],
)  # fmt: skip
def test_hubspot_s_opt_outs_and_bounces_are_consents(name: str, value: str, purpose: str | None) -> None:
    event = {
        "eventId": 1, "subscriptionId": 2, "objectId": 51, "occurredAt": 1773136521000,
        "subscriptionType": "contact.propertyChange", "propertyName": name, "propertyValue": value,
    }  # fmt: skip
    (fact,) = read_it(HUBSPOT, [event]).facts
    said: Any = fact.data
    assert (fact.type, fact.identity.user_id, said.given, said.purpose) == ("consent.changed", "51", False, purpose)
    (back,) = read_it(HUBSPOT, [{**event, "propertyValue": "false"}]).facts
    assert back.type == "contact.identified"
    generic = {**event, "subscriptionType": "object.propertyChange", "objectTypeId": "0-1"}
    assert read_it(HUBSPOT, [generic]).facts[0].data == fact.data
    assert read_it(HUBSPOT, [{**generic, "objectTypeId": "0-2"}]).ignored


def test_a_contact_of_a_hubspot_workflow_that_opted_out_is_no_yes() -> None:
    (fact,) = read_it(
        HUBSPOT, {"vid": 7, "properties": {"email": {"value": WHO}, "hs_email_optout": {"value": "true"}}}
    ).facts
    lead: Any = fact.data
    assert lead.consent.email is False
    properties = {"email": WHO, "hs_email_optout": False, "hs_email_optout_12345": True, "hs_email_optout_9": "false"}
    (fact,) = read_it(HUBSPOT, {"vid": 7, **properties}).facts
    kinds: Any = fact.data
    assert (kinds.consent.email, kinds.consent.purposes) == (None, {"hubspot-12345": False})
    (fact,) = read_it(HUBSPOT, {"vid": 7, "email": WHO, "hs_email_hard_bounce_reason_enum": "UNKNOWN_USER"}).facts
    dead: Any = fact.data
    assert dead.consent.email is False


@pytest.mark.parametrize(("said", "given_"), [("opt_in", True), ("opt_out", False)])
def test_stripe_s_checkout_has_a_box_for_promotions(said: str, given_: bool) -> None:
    session = {"id": "cs_1", "customer_details": {"email": WHO}, "consent": {"promotions": said}}
    event = {"id": "evt_1", "type": "checkout.session.completed", "created": 1773136521, "data": {"object": session}}
    fact = read_it(STRIPE, event).facts[-1]
    change: Any = fact.data
    assert (fact.type, change.given, change.purpose) == ("consent.changed", given_, "marketing")


@given(
    st.sampled_from([each[:2] for each in TOLD]).flatmap(
        lambda each: st.tuples(st.just(each[0]), mangled(each[1], ANY_JSON))
    )
)
def test_any_shape_is_read_or_refused(case: tuple[Hook, Any]) -> None:
    hook, document = case
    try:
        reading = read(hook, document)
    except Refused:
        return
    assert reading.facts or reading.ignored or reading.refused
