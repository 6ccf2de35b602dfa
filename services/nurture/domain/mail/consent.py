"""Whether somebody may be written to: the words on an address and its contact, and their result."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from shared.events.consent import ConsentWord


class Matter(NamedTuple):
    """What a word is about. `subject`: an address, or `contact:` and an id; `purpose`: "" is the general one.

    A public word's subject has the prefix `public:`.
    """

    subject: str
    channel: str
    purpose: str


@dataclass(frozen=True, slots=True)
class Word:
    """The latest word on a matter. At the same moment a no outranks a yes."""

    matter: Matter
    given: bool
    at: datetime

    @property
    def rank(self) -> tuple[datetime, bool]:
        """The word with the higher rank counts."""
        return self.at, not self.given


def said(word: ConsentWord, *, contact_id: UUID, newest_address: str | None) -> tuple[Word, ...]:
    """The words to store. One that names no address is about the contact and its address at that time.

    A public yes counts for nothing; a public no holds only for mails that forms and pages cause: it means "not by this
    form", and stops no mail to a customer.
    """
    if word.given and word.public:
        return ()
    subjects = [word.address] if word.address else [about(contact_id), newest_address]
    if word.public:
        subjects = [by_strangers(subject) for subject in subjects if subject]
    return tuple(
        Word(Matter(subject, word.channel, word.purpose or ""), word.given, word.at) for subject in subjects if subject
    )


def about(contact_id: UUID) -> str:
    """The subject of words on a contact as a whole. No address looks like it: it has no @."""
    return f"contact:{contact_id}"


def by_strangers(subject: str) -> str:
    """The subject of public words on this one."""
    return f"public:{subject}"


def last_words(words: Iterable[Word]) -> tuple[Word, ...]:
    """The word that counts on each matter, in the order of the matters; the order of arrival does not matter."""
    last: dict[Matter, Word] = {}
    for word in words:
        known = last.get(word.matter)
        if known is None or word.rank > known.rank:
            last[word.matter] = word
    return tuple(last[matter] for matter in sorted(last))


def permits(words: Sequence[Word], purpose: str) -> bool | None:
    """Whether the last words on an address and its contact, on one channel, allow this purpose; None: no word.

    A no is lifted only by a later yes that is at least as narrow: agreeing to order updates does not revive the
    newsletter, and agreeing with a new address does not revive the old one.
    """
    heard = [word for word in words if word.matter.purpose in ("", purpose)]
    if any(not word.given and not _lifted(word, heard) for word in heard):
        return False
    return True if any(word.given for word in heard) else None


def _lifted(no: Word, words: Iterable[Word]) -> bool:
    return any(
        yes.given
        and yes.at > no.at
        and (not no.matter.purpose or yes.matter.purpose == no.matter.purpose)
        and ("@" in yes.matter.subject or "@" not in no.matter.subject)
        for yes in words
    )
