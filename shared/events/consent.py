"""One word on consent: whom to write to, by which channel, for which purpose. Scoring keeps it, nurture obeys it."""

import re
from datetime import datetime
from typing import Final

from msgspec import Struct

_LONGEST: Final = 40  # characters of a channel's or purpose's name
_NO_LETTERS: Final = re.compile(r"[\W_]+")
_CHANNELS: Final = {
    "mail": "email", "emails": "email", "phonecall": "phone", "call": "phone", "telephone": "phone", "tel": "phone",
    "textmessage": "sms", "text": "sms",
}  # fmt: skip
_GENERAL: Final = frozenset({"", "all", "any", "general", "everything"})


class ConsentWord(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What was said once, and when, to the second. `address`: which one it is about; None names only the contact.

    `purpose` None is the general one: a general no stops everything, a general yes allows what was not refused.
    `public`: anybody may have said it, so that it is no proof of a yes.
    """

    channel: str
    given: bool
    at: datetime
    purpose: str | None = None
    address: str | None = None
    public: bool = False


def channel_of(text: str) -> str:
    """The one name of a channel: "Email", "E-Mail" and "mail" are `email`."""
    plain = _NO_LETTERS.sub("", text.casefold())[:_LONGEST]
    return _CHANNELS.get(plain, plain)


def purpose_of(text: str | None) -> str | None:
    """The one name of a purpose: "Order updates" is `order-updates`; None for the general one."""
    plain = _NO_LETTERS.sub("-", (text or "").casefold())[:_LONGEST].strip("-")
    return None if plain in _GENERAL else plain
