"""A Segment message of what somebody did, in which all is in order (see `typed.py`): most of what a busy site sends."""

from datetime import UTC, datetime
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Raw, Struct

from services.ingest.domain.checks import SHORT
from services.ingest.domain.fact import Fact, Told
from services.ingest.domain.plain.typed import Id, Short, Values, Words, campaign_of, trimmed
from services.ingest.domain.segment import names
from services.ingest.domain.segment.messages import LONGEST_ID, corrected, first, first_email
from services.ingest.domain.segment.visit import completed
from shared.events.identity import Identity, identify, normalise_phone
from shared.events.types import EngagementRecorded
from shared.limits import LONGEST_URL

_Moment = Annotated[datetime, Meta(tz=True)]


class _Page(Struct):
    url: str | None = None
    search: str | None = None


class _Context(Struct):
    campaign: Words | None = None
    page: _Page | None = None
    ip: str | None = None
    userAgent: str | None = None  # noqa: N815 - Segment's own name
    traits: None = None  # what is told of the person: for `segment.py`


class TypedMessage(Struct):
    """A track, page or screen call. Fields that are nothing to us are passed over."""

    type: Literal["track", "page", "screen"] | None = None
    event: Short | None = None
    name: Short | None = None
    userId: Id | None = None  # noqa: N815 - Segment's own name
    anonymousId: Id | None = None  # noqa: N815 - Segment's own name
    messageId: Annotated[str, Meta(max_length=LONGEST_ID)] | None = None  # noqa: N815 - Segment's own name
    timestamp: _Moment | None = None
    sentAt: _Moment | None = None  # noqa: N815 - Segment's own name
    properties: Values | None = None
    context: _Context | None = None
    traits: None = None
    writeKey: str | None = None  # noqa: N815 - Segment's own name


_DECODER: Final = msgspec.json.Decoder(TypedMessage)
_NOTHING: Final = _Context()
_NOWHERE: Final = _Page()
_NOBODY: Final = Identity()


def decode_typed(body: bytes | Raw) -> TypedMessage | None:
    """The message, from JSON that holds no NUL; None when there is anything to look at twice."""
    try:
        return _DECODER.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def read_typed(message: TypedMessage, kind: str | None, *, sent: datetime | None = None, now: datetime) -> Fact | None:
    """The engagement, as `read_segment` would read it; None for what it alone reads."""
    said, properties = message.context or _NOTHING, message.properties or {}
    page = said.page or _NOWHERE
    user_id, anonymous_id = trimmed(message.userId), trimmed(message.anonymousId)
    name = None
    if kind == "track":
        what = trimmed(message.event)
        if what is None:
            return None
        name = names.name_of(what)
        if name.type != names.ENGAGEMENT:
            return None
        kind_of_it = name.kind
    elif kind in ("page", "screen"):
        kind_of_it, what = f"{kind}_viewed", _viewed(message, page, properties)
    else:
        return None
    try:
        time = corrected(_utc(message.timestamp), sent if sent is not None else _utc(message.sentAt), now)
    except OverflowError:
        return None
    theirs: Values = {} if name is not None and name.of_others else properties
    identity = identify(
        email=first_email(theirs.get("email"), user_id),
        phone=first(normalise_phone, theirs.get("phone")),
        user_id=user_id,
        anonymous_id=anonymous_id,
    )
    if identity == _NOBODY:
        return None
    addresses = (page.search, page.url, properties.get("search"), properties.get("url"))
    campaign = completed(campaign_of(said.campaign), *addresses)
    done = EngagementRecorded(identity=identity, kind=kind_of_it, what=what, campaign=campaign, properties=properties)
    return Fact(names.ENGAGEMENT, identity, done, time, trimmed(message.messageId), _told(said))


def _utc(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.astimezone(UTC)


def _viewed(message: TypedMessage, page: _Page, properties: Values) -> str | None:
    for url in (properties.get("url"), page.url):
        if isinstance(url, str) and url:
            return url[:LONGEST_URL]
    return trimmed(message.name)


def _told(said: _Context) -> Told | None:
    agent, address = said.userAgent, said.ip
    if agent is None and address is None:
        return None
    return Told(agent[:SHORT] if agent else None, address[:SHORT] if address else None)
