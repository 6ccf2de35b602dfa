"""The content of an accepted message, before it has an id and a key."""

from datetime import datetime
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from services.ingest.domain.checks import LONGEST_WORDING, Fields, Wrong, name_problem
from shared.events.identity import Identity, identify
from shared.events.types import Campaign, Consent
from shared.limits import LONGEST_URL


class Told(NamedTuple):
    """What the sender says about the visitor: user agent, address, and when the mail that led here was sent."""

    agent: str | None = None
    address: str | None = None
    mail_sent: datetime | None = None


class Fact(Struct, frozen=True):
    """One event's content. `time`: when the sender says it happened (UTC), None for now.

    `sender_id`: the sender's own id of the message; a resend with the same one is the same event.
    """

    type: str
    identity: Identity
    data: Struct
    time: datetime | None = None
    sender_id: str | None = None
    told: Told | None = None

    def named(self, sender_id: str | None) -> "Fact":
        """The same fact with another id."""
        return msgspec.structs.replace(self, sender_id=sender_id)


class Refused(Exception):  # noqa: N818 - reads as what happened
    """A message is refused; `wrong` names every field."""

    def __init__(self, wrong: list[Wrong]) -> None:
        super().__init__("refused")
        self.wrong = wrong


def read_identity(fields: Fields) -> Identity:
    """The identities of a plain JSON message; notes it when there is none of the four."""
    before = len(fields.wrong)
    identity = identify(
        email=fields.email(),
        phone=fields.phone(),
        user_id=fields.opaque("user_id"),
        anonymous_id=fields.opaque("anonymous_id"),
    )
    if len(fields.wrong) == before and identity == _NOBODY:
        fields.wrong.append(Wrong(fields.at or "/", "needs one of email, phone, user_id or anonymous_id"))
    return identity


_NOBODY = Identity()
MOST_PURPOSES = 20


def read_campaign(fields: Fields | None) -> Campaign | None:
    """The UTM five and click ids; None when there are none."""
    if fields is None:
        return None
    found: dict[str, Any] = {name: fields.text(name) for name in Campaign.__struct_fields__}
    return Campaign(**found) if any(found.values()) else None


def _purposes(fields: Fields | None) -> dict[str, bool]:
    if fields is None:
        return {}
    if len(fields.data) > MOST_PURPOSES:
        fields.wrong.append(Wrong(fields.at, f"must not have more than {MOST_PURPOSES} purposes"))
        return {}
    said = {name: fields.flag(name) for name in fields.data if _named(fields, name)}
    return {name: given for name, given in said.items() if given is not None}


def _named(fields: Fields, name: str) -> bool:
    problem = name_problem(name)
    if problem is not None:
        fields.note(name, problem)
    return problem is None


def read_consent(fields: Fields | None) -> Consent | None:
    """What was agreed to, with the wording; None when nothing is said."""
    if fields is None:
        return None
    return Consent(
        email=fields.flag("email"),
        phone=fields.flag("phone"),
        sms=fields.flag("sms"),
        purposes=_purposes(fields.inner("purposes")),
        wording=fields.text("wording", LONGEST_WORDING),
        proof=fields.text("proof", LONGEST_URL),
    )
