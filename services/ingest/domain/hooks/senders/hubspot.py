"""HubSpot: contacts of a workflow's webhook, and the subscription events of an app.

A workflow's webhook tells the whole contact: a lead. An app's events tell ids only, so they say that a contact is there
and what of it changed, under the same user id; to be followed up on, the contact has to come by a workflow.

Signatures of version 3 alone: versions 1 and 2 are a plain hash with the secret in front, and a copy is good for ever.
"""

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any, Final
from urllib.parse import unquote

from services.ingest.domain.checks import LONG, SHORT, Wrong
from services.ingest.domain.fact import Fact, Refused
from services.ingest.domain.hooks.hook import Hook, Incoming, Reading, sha256
from services.ingest.domain.hooks.mailing.words import consent
from services.ingest.domain.hooks.parts import full_name, moment, part, person, text, told
from services.ingest.domain.hooks.signatures import check_age, check_match, header
from shared.events.types import Campaign, Consent, ContactIdentified, LeadCaptured
from shared.limits import LONGEST_URL

# The characters that HubSpot decodes in the URL before it signs it, and none else.
_ENCODED: Final = re.compile("%(?:3A|2F|3F|40|21|24|27|28|29|2A|2C|3B)", re.IGNORECASE)
_MILLISECONDS: Final = 1000
_MOST_EVENTS: Final = 1000
_CONTACTS: Final = "0-1"
_MOST_PROPERTIES: Final = 1000
_OPTED_OUT: Final = "hs_email_optout"
_BOUNCED: Final = ("hs_email_hard_bounce_reason", "hs_email_hard_bounce_reason_enum", "hs_email_quarantined")
_CAMPAIGN: Final = {
    "utm_source": "source",
    "utm_medium": "medium",
    "utm_campaign": "name",
    "utm_term": "term",
    "utm_content": "content",
    "hs_google_click_id": "gclid",
    "hs_facebook_click_id": "fbclid",
}
_TRAITS: Final = {  # HubSpot's name of a property → ours
    "company": "company",
    "jobtitle": "role",
    "country": "country",
    "hs_language": "locale",
    "hs_timezone": "time_zone",
    "lifecyclestage": "lifecyclestage",
    "hs_lead_status": "lead_status",
    "website": "website",
    "industry": "industry",
    "numberofemployees": "size",
    "city": "city",
}


def _verify(incoming: Incoming, secrets: Sequence[str], _options: Mapping[str, Any]) -> None:
    given, stamp = header(incoming, "x-hubspot-signature-v3"), header(incoming, "x-hubspot-request-timestamp")
    url = _ENCODED.sub(lambda found: unquote(found[0]), incoming.url)
    signed = b"POST" + url.encode("utf-8", "replace") + incoming.body + stamp.encode("utf-8", "replace")
    check_match([given], [base64.b64encode(sha256(secret.encode(), signed)).decode() for secret in secrets])
    check_age(stamp, incoming.now, per_second=_MILLISECONDS)


def _read(incoming: Incoming, body: Any, _options: Mapping[str, Any]) -> Reading:
    if isinstance(body, dict):
        return _contact(incoming, body)
    if not isinstance(body, list) or len(body) > _MOST_EVENTS:
        raise Refused([Wrong("/", "must be a contact, or a list of events")])
    if not body:
        return Reading(ignored=("an empty list",))
    facts, ignored = [], []
    for event in body:
        fact = _event(event)
        if fact is not None:
            facts.append(fact)
        else:
            ignored.append(text(part(event, "subscriptionType")) or "none")
    return Reading(facts, ignored=ignored)


def _event(event: Any) -> Fact | None:
    """What one subscription event tells about a contact: that it exists, or a property."""
    kind, event_id = text(part(event, "subscriptionType")) or "", text(part(event, "eventId"), 100)
    contact_id = text(part(event, "objectId"), 100)
    if not _of_a_contact(kind, event) or event_id is None or contact_id is None:
        return None
    name, value = text(part(event, "propertyName")), part(event, "propertyValue")
    who = person(
        user_id=contact_id,
        email=value if name == "email" else None,
        phone=value if name in ("phone", "mobilephone") else None,
    )
    assert who is not None
    time = moment(part(event, "occurredAt"), _MILLISECONDS)
    # An event's id is unique within its subscription only.
    sender_id = f"{text(part(event, 'subscriptionId'), 100) or 'app'}:{event_id}"
    if (refused := _refused_mail(name or "", _said(value))) is not None:
        purpose, why = refused
        return consent(
            None, user_id=contact_id, given=False, proof=why, sender_id=sender_id, time=time, purpose=purpose
        )
    traits = {_TRAITS[name]: text(value)} if name in _TRAITS else {}
    data = ContactIdentified(identity=who, traits=told(traits))
    return Fact("contact.identified", who, data, time, sender_id)


def _of_a_contact(kind: str, event: Any) -> bool:
    """Also in the generic form, `object.creation` with the contact's type beside it.

    https://developers.hubspot.com/docs/guides/webhooks/create-generic-webhook-subscriptions
    """
    of, _, what = kind.partition(".")
    known = of == "contact" or (of == "object" and part(event, "objectTypeId") == _CONTACTS)
    return known and what in ("creation", "propertyChange")


def _refused_mail(name: str, value: str | None) -> tuple[str | None, str] | None:
    """The purpose that a property says no to (None: every mail), and how it says so; None when it says no such thing.

    https://knowledge.hubspot.com/properties/hubspots-default-contact-properties: `hs_email_optout`, one
    `hs_email_optout_<id>` of each subscription type, `hs_email_hard_bounce_reason_enum`, `hs_email_quarantined`.
    """
    if name.startswith(_OPTED_OUT):
        kind = name.removeprefix(_OPTED_OUT).lstrip("_")
        return (f"hubspot-{kind}" if kind else None, "HubSpot: opted out") if value == "true" else None
    if name in _BOUNCED and value not in (None, "false"):
        return None, "HubSpot: hard bounce"
    return None


def _contact(incoming: Incoming, contact: dict[str, Any]) -> Reading:
    """A contact as workflows post it, `{"vid": 1, "properties": {"email": {"value": …}}}`, or with chosen fields.

    HubSpot gives it no id: the same bytes are the same event.
    """
    properties = contact.get("properties", contact)
    names = properties if isinstance(properties, dict) else ()

    def get(name: str, longest: int = SHORT) -> str | None:
        found = part(properties, name)
        return _said(part(found, "value") if isinstance(found, dict) else found, longest)

    who = person(
        email=get("email"),
        phone=get("phone") or get("mobilephone"),
        country=get("country"),
        user_id=text(contact.get("vid")) or text(contact.get("objectId")) or get("hs_object_id"),
    )
    if who is None:
        raise Refused([Wrong("/properties/email", "is required, or a phone number, or the contact's vid")])
    campaign = {ours: get(theirs) for theirs, ours in _CAMPAIGN.items()}
    lead = LeadCaptured(
        identity=who,
        name=full_name(get("firstname"), get("lastname")),
        form=get("recent_conversion_event_name"),
        page=get("hs_analytics_last_url", LONGEST_URL),
        campaign=Campaign(**campaign) if any(campaign.values()) else None,
        message=get("message", LONG),
        traits=told({ours: get(theirs) for theirs, ours in _TRAITS.items()}),
        consent=_consent({name: get(name) for name in islice(names, _MOST_PROPERTIES)}),
    )
    return Reading([Fact("lead.captured", who, lead, None, hashlib.sha256(incoming.body).hexdigest())])


def _said(value: Any, longest: int = SHORT) -> str | None:
    return str(value).lower() if isinstance(value, bool) else text(value, longest)


def _consent(properties: Mapping[str, str | None]) -> Consent | None:
    """What the contact's properties say no to."""
    refused = [found for name, said in properties.items() if (found := _refused_mail(name, said)) is not None]
    if not refused:
        return None
    every = any(purpose is None for purpose, _ in refused)
    purposes = {purpose: False for purpose, _ in refused if purpose is not None}
    return Consent(email=False if every else None, purposes=purposes, proof=refused[0][1])


HOOK: Final = Hook("hubspot", _verify, _read, header="x-hubspot-signature-v3")
