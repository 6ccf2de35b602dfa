"""Consent: what an event says about it, what of that counts, and the resulting state."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from services.scoring.domain.contact.contact import ContactState, Word
from services.scoring.domain.trust import happened, robot
from shared.events.consent import ConsentWord, purpose_of
from shared.events.envelope import Event
from shared.events.types import ConsentChanged, LeadCaptured

PREFIX: Final = "consent:"
_CHANNELS: Final = ("email", "phone", "sms")


def heard(before: ContactState, event: Event, data: Any) -> tuple[ConsentWord, ...]:
    """The words on consent in this event that count for a contact in state `before`.

    A public event speaks only for a contact that is new or known by visits alone; a robot speaks for nobody. Times are
    cut to the second, so that a no and a yes of the same second tie: many senders know no finer time.
    """
    if not isinstance(data, ConsentChanged | LeadCaptured):  # nothing else says a word: asked first because it is cheap
        return ()
    if robot(data) or (event.trust == "public" and not _only_visits(before)):
        return ()
    at = happened(event).replace(microsecond=0)
    return tuple(_said(data, at, public=event.trust == "public"))


def _only_visits(state: ContactState) -> bool:
    spoken = state.captured is not None or any(name.startswith(PREFIX) for name in state.known)
    return state.version == 0 or not (spoken or set(state.keys) - set(state.claimed))


def unsaid(known: Mapping[str, Word]) -> dict[str, Word]:
    """The event without its consents, which were given for somebody else."""
    return {name: word for name, word in known.items() if not name.startswith(PREFIX)}


def _said(data: Any, at: datetime, *, public: bool) -> Iterator[ConsentWord]:
    if isinstance(data, ConsentChanged):
        address = data.identity.email
        yield ConsentWord(
            channel=data.channel, purpose=data.purpose, given=data.given, at=at, address=address, public=public
        )
    elif isinstance(data, LeadCaptured) and data.consent is not None:
        address = data.identity.email
        for channel in _CHANNELS:
            given = getattr(data.consent, channel)
            if given is not None:
                yield ConsentWord(channel=channel, given=given, at=at, address=address, public=public)
        for name, given in data.consent.purposes.items():
            purpose = purpose_of(name)
            if purpose is not None or data.consent.email is None:
                yield ConsentWord(channel="email", purpose=purpose, given=given, at=at, address=address, public=public)


def name_of(word: ConsentWord) -> str:
    """The name of a consent in a contact's state."""
    return f"{PREFIX}{word.channel}" + (f":{word.purpose}" if word.purpose else "")


def consent_of(known: Mapping[str, Word]) -> dict[str, bool]:
    """Consents by channel, and by channel and purpose. A later general no ends earlier yeses.

    Public words on e-mail are not in here: a yes waits for the click in a mail, and a no holds for what such senders
    cause.
    """
    words = {name[len(PREFIX) :]: said for name, said in known.items() if name.startswith(PREFIX)}
    if not words:  # of most nothing is known
        return {}
    words = {name: said for name, said in words.items() if not (said.public and _channel(name) == "email")}
    found = {}
    for name, word in words.items():
        general = words.get(_channel(name))
        ended = general is not None and not general.value and general.at >= word.at
        found[name] = bool(word.value) and not ended
    return found


def _channel(name: str) -> str:
    return name.partition(":")[0]
