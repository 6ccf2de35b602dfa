"""What an event says about consent, what of it counts, and what all words on it come to."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from services.scoring.domain.contact import ContactState, Known
from shared.events.consent import ConsentWord
from shared.events.envelope import Event
from shared.events.types import LIKELY_HUMAN, ConsentChanged, LeadCaptured

PREFIX: Final = "consent:"
_CHANNELS: Final = ("email", "phone", "sms")


def heard(before: ContactState, event: Event, data: Any) -> tuple[ConsentWord, ...]:
    """The words on consent in this event that count for a contact that was `before` it.

    A public event speaks for a contact that it makes and for nobody else; a robot's form speaks for nobody. Times are
    cut to the second, so that a no and a yes of the same second meet: senders with days or seconds know no better.
    """
    if event.trust == "public" and before.version > 0:
        return ()
    at = min(event.time, event.receivedtime).replace(microsecond=0)
    return tuple(_said(data, at, public=event.trust == "public"))


def _said(data: Any, at: datetime, *, public: bool) -> Iterator[ConsentWord]:
    if isinstance(data, ConsentChanged):
        address = data.identity.email
        yield ConsentWord(
            channel=data.channel, purpose=data.purpose, given=data.given, at=at, address=address, public=public
        )
    elif isinstance(data, LeadCaptured) and data.consent is not None and data.human_likelihood >= LIKELY_HUMAN:
        for channel in _CHANNELS:
            given = getattr(data.consent, channel)
            if given is not None:
                yield ConsentWord(channel=channel, given=given, at=at, address=data.identity.email, public=public)


def name_of(word: ConsentWord) -> str:
    """Under which name a contact's state knows it."""
    return f"{PREFIX}{word.channel}" + (f":{word.purpose}" if word.purpose else "")


def consent_of(known: Mapping[str, Known]) -> dict[str, bool]:
    """Who agreed to what: by channel, and by channel and purpose. A later general no ends what was agreed before."""
    words = {name[len(PREFIX) :]: said for name, said in known.items() if name.startswith(PREFIX)}
    found = {}
    for name, (at, given) in words.items():
        general = words.get(name.partition(":")[0])
        ended = general is not None and not general[1] and general[0] >= at
        found[name] = bool(given) and not ended
    return found
