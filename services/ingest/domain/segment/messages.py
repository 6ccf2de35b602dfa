"""Segment's HTTP API: track, identify, page, screen, group, alias, alone or in a batch."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from msgspec import Struct

from services.ingest.domain.checks import LONG, SHORT, Fields, Wrong, amount_text, free_form_problem
from services.ingest.domain.fact import Fact, Refused, Told
from services.ingest.domain.segment import names
from services.ingest.domain.segment.orders import read_order_completed, read_order_refunded
from services.ingest.domain.segment.visit import lead_campaign, page_url, visit_campaign
from shared.events.identity import Identity, identify, normalise_email, normalise_phone
from shared.events.types import (
    ConsentChanged,
    ContactIdentified,
    EngagementRecorded,
    FeedbackGiven,
    LeadCaptured,
    ReferralMade,
)
from shared.limits import LONGEST_URL

TYPES: Final = ("track", "identify", "page", "screen", "group", "alias")
LONGEST_ID: Final = 100
_NOBODY: Final = Identity()
# Segment's names of traits that are ours under another name.
_TRAITS_AS: Final = {"timezone": "time_zone", "title": "role", "employees": "size", "employee_count": "size"}
_NO_TRAITS: Final = frozenset({"email", "phone"})


@dataclass(slots=True)
class _Message:
    fields: Fields
    context: Fields
    traits: dict[str, Any]  # what is known of the person
    properties: dict[str, Any]
    identity: Identity = _NOBODY

    def words(self, *wanted: str, longest: int = SHORT) -> str | None:
        """The first of these properties that is text."""
        return next((text for name in wanted if (text := _text(self.properties.get(name), longest))), None)


def read_segment(
    message: Mapping[str, Any],
    kind: str,
    *,
    at: str = "",
    sent: datetime | None = None,
    now: datetime,
    public: bool = False,
) -> Fact:
    """One message. `sent` is when the client says it sent it: the difference to `now` corrects its clock.

    `public`: its key stands in a page, so that what it says of money or of others is engagement and no more.
    Raises Refused with every wrong field.
    """
    fields = Fields(message, at)
    context = fields.inner("context") or Fields({}, f"{at}/context", fields.wrong)
    event = fields.required(fields.text, "event") if kind == "track" else None
    name = names.name_of(event or "") if kind == "track" else None
    traits = context.free("traits")
    if kind != "group" and "traits" in message:  # a group's own traits are the company's, not the person's
        traits = {**traits, **fields.free("traits")}
    read = _Message(fields, context, traits, _properties(fields))
    read.identity = _identity(read, kind, of_others=name is not None and name.of_others)
    time = corrected(fields.time("timestamp"), sent if sent is not None else fields.time("sentAt"), now)
    sender_id = fields.text("messageId", LONGEST_ID)
    if name is not None:
        event_type, data = _track(read, event, name, public=public)
    elif kind in ("page", "screen"):
        event_type, data = names.ENGAGEMENT, _engagement(read, f"{kind}_viewed", _viewed(read))
    else:
        event_type, data = "contact.identified", _identified(read, kind)
    if fields.wrong:
        raise Refused(fields.wrong)
    return Fact(event_type, read.identity, data, time, sender_id or _order_as_id(event_type, data), _told(context))


def corrected(time: datetime | None, sent: datetime | None, now: datetime) -> datetime | None:
    """When it truly happened: `received - (sentAt - timestamp)`, so that a wrong clock does not matter."""
    if time is None or sent is None:
        return time
    try:
        return min(now, now - (sent - time)).astimezone(UTC)
    except OverflowError:
        return now


def _properties(fields: Fields) -> dict[str, Any]:
    """A long list of products is no reason to refuse what was done with it: then it is left out."""
    properties = fields.data.get("properties")
    if not isinstance(properties, dict) or "products" not in properties or free_form_problem(properties) is None:
        return fields.free("properties")
    rest = {name: value for name, value in properties.items() if name != "products"}
    return Fields({"properties": rest}, fields.at, fields.wrong).free("properties")


def _identity(read: _Message, kind: str, *, of_others: bool) -> Identity:
    fields, traits = read.fields, read.traits
    properties = {} if of_others else read.properties
    before = len(fields.wrong)
    if kind == "alias":  # who was known by the one id is known by the other
        user_id = fields.required(fields.opaque, "userId")
        anonymous_id = fields.required(fields.opaque, "previousId")
    else:
        user_id, anonymous_id = fields.opaque("userId"), fields.opaque("anonymousId")
    email = first_email(traits.get("email"), properties.get("email"), user_id)
    phone = first(normalise_phone, traits.get("phone"), properties.get("phone"))
    identity = identify(email=email, phone=phone, user_id=user_id, anonymous_id=anonymous_id)
    if identity == _NOBODY and len(fields.wrong) == before:
        fields.wrong.append(Wrong(f"{fields.at}/userId", "needs one of userId or anonymousId"))
    return identity


def first_email(*values: object) -> str | None:
    """The first value that is an e-mail address; a user id seldom is."""
    addresses = [value for value in values if isinstance(value, str) and "@" in value]
    return first(normalise_email, *addresses) if addresses else None


def first(rule: Callable[[str], str], *values: object) -> str | None:
    """The first value that the rule takes: in traits, a bad address is a trait and not an error."""
    for value in values:
        if isinstance(value, str) and value:
            try:
                return rule(value)
            except ValueError:
                continue
    return None


def _told(context: Fields) -> Told | None:
    agent, address = context.data.get("userAgent"), context.data.get("ip")
    return None if agent is None and address is None else Told(_text(agent), _text(address))


def _order_as_id(event_type: str, data: Struct) -> str | None:
    """Without an id of the message, the order's own: the same order sent twice is one purchase."""
    return f"order:{getattr(data, 'order_id', '')}" if event_type == names.PURCHASE else None


def _viewed(read: _Message) -> str | None:
    return read.words("url", longest=LONGEST_URL) or page_url(read.context) or read.fields.text("name")


def _engagement(read: _Message, kind: str, what: str | None) -> EngagementRecorded:
    campaign = visit_campaign(read.context, read.properties)
    return EngagementRecorded(
        identity=read.identity, kind=kind, what=what, campaign=campaign, properties=read.properties
    )


def _identified(read: _Message, kind: str) -> ContactIdentified:
    known = _known(read, read.traits)
    if kind == "group":
        group_id, group = read.fields.required(read.fields.opaque, "groupId"), read.fields.free("traits")
        company = _company(group)
        known |= {**company, "group_id": group_id} if group_id else company
    return ContactIdentified(identity=read.identity, name=_name(known), traits=known)


def _known(read: _Message, traits: Mapping[str, Any]) -> dict[str, Any]:
    """Traits under our names, with what the context says of place and language."""
    known = {
        _TRAITS_AS.get(name, name): value
        for name, value in traits.items()
        if value is not None and name not in _NO_TRAITS
    }
    for name in ("timezone", "locale"):
        said = _text(read.context.data.get(name))
        if said is not None:
            known.setdefault(_TRAITS_AS.get(name, name), said)
    address, company = known.get("address"), known.get("company")
    if isinstance(address, dict) and isinstance(address.get("country"), str):
        known.setdefault("country", address["country"])
    if isinstance(company, dict):
        del known["company"]
        known = {**_company(company), **known}
    return known


def _company(group: Mapping[str, Any]) -> dict[str, Any]:
    """A company's traits as those of its people: `name` is their company, its id and address are no one's."""
    return {
        "company" if name == "name" else _TRAITS_AS.get(name, name): value
        for name, value in group.items()
        if value is not None and name not in ("id", "email", "phone", "address")
    }


def _track(read: _Message, event: str | None, name: names.Name, *, public: bool) -> tuple[str, Struct]:
    make = _MAKE.get(name.type)
    if make is not None and not (public and name.type in names.TRUSTED_ONLY):
        data = make(read, name)
        if data is not None:
            return name.type, data
    return names.ENGAGEMENT, _engagement(read, name.kind, event)


def _lead(read: _Message, name: names.Name) -> Struct:
    said = {name: value for name, value in read.properties.items() if value is not None and name not in _NO_TRAITS}
    known = _known(read, read.traits) | said
    account = _text(known.get("account_name"))
    if account is not None:
        known.setdefault("company", account)
    return LeadCaptured(
        identity=read.identity,
        name=_name(known),
        form=read.words("form_name", "form_id", "form"),
        page=page_url(read.context),
        campaign=lead_campaign(read.context, read.properties),
        interest=read.words("interest") or name.name,
        message=read.words("message", longest=LONG),
        traits=known,
    )


def _purchase(read: _Message, _name: names.Name) -> Struct:
    return read_order_completed(read.fields, read.identity)


def _refund(read: _Message, name: names.Name) -> Struct | None:
    return read_order_refunded(read.fields, read.identity, cancelled=name.kind == "order_cancelled")


def _referral(read: _Message, _name: names.Name) -> Struct | None:
    referred = first_email(*(read.properties.get(name) for name in ("invitee_email", "inviteeEmail", "email")))
    other = identify(email=referred)
    if other in (_NOBODY, identify(email=read.identity.email)):
        return None
    return ReferralMade(identity=read.identity, referred=other)


def _feedback(read: _Message, _name: names.Name) -> Struct | None:
    score = amount_text(read.properties.get("rating"))
    if score is None:
        return None
    text = read.words("review_body", "review", longest=LONG)
    return FeedbackGiven(identity=read.identity, kind="rating", score=float(score), text=text)


def _unsubscribed(read: _Message, _name: names.Name) -> Struct:
    return ConsentChanged(identity=read.identity, channel="email", given=False)


_MAKE: Final[Mapping[str, Callable[[_Message, names.Name], Struct | None]]] = {
    names.LEAD: _lead,
    names.PURCHASE: _purchase,
    names.REFUND: _refund,
    names.REFERRAL: _referral,
    names.FEEDBACK: _feedback,
    names.CONSENT: _unsubscribed,
}


def _text(value: object, longest: int = SHORT) -> str | None:
    return value[:longest] if isinstance(value, str) and value and "\0" not in value else None


def _name(traits: Mapping[str, Any]) -> str | None:
    whole = _text(traits.get("name"))
    if whole:
        return whole
    for first, last in (("firstName", "lastName"), ("first_name", "last_name")):
        parts = [part for part in (_text(traits.get(first)), _text(traits.get(last))) if part]
        if parts:
            return " ".join(parts)
    return None
