"""Boxes and answers that say who may be written to, in eight languages: by channel, and for newsletters by purpose."""

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Final, NamedTuple

from services.ingest.domain.forms.consent_words import (
    AGAINST,
    AGREE,
    BEHIND,
    CHANNELS,
    CONTACT,
    COPY,
    COURTESY,
    MARKETING,
    NEWS,
    NEWSLETTER,
    NO,
    NO_WORDS,
    NOT_TICKED,
    OUT,
    REACHED,
    TERMS,
    UNLESS,
    WISH,
    YES,
    Channel,
)
from services.ingest.domain.forms.names import words_in

# "Do you have a newsletter?" asks of their business.
_OF_THEM: Final = re.compile(
    r"^[^\w]*(?:(?:do|does|did|have|are|is) (?:you|your)\b"
    r"(?!.*\b(?:want|like|wish|agree to|consent|receive|subscribe|allow|accept)\b)"
    r"|(?:haben|nutzen|verwenden|betreiben|habt|nutzt) (?:sie|ihr)\b|hast du\b|(?:avez|utilisez)[- ]vous\b|as[- ]tu\b"
    r"|¿? ?(?:tiene|tienes|tienen|usa|utiliza)\b|(?:avete|hai|utilizzate|usate)\b|(?:heeft|gebruikt) u\b|heb je\b"
    r"|(?:voc[eê]s? )?(?:tem|têm|usa|utiliza)\b|czy (?:masz|macie|posiadasz|używasz)\b)",
    re.IGNORECASE,
)
_FIRST_A_WORD: Final = re.compile(r"\s*\w+\s*[,.!;]")  # No, don't sign me up
_APOSTROPHES: Final = re.compile(r"(?<=n)['\u2019](?=t\b)", re.IGNORECASE)  # don't is one word
_OUT_OF: Final = re.compile(r"\bopt(?:ed)?[\s_-]+(?:me|us)[\s_-]+out\b", re.IGNORECASE)
_MATTERS: Final = frozenset({*REACHED, *AGREE, *NEWSLETTER, *MARKETING})
_SENTENCES: Final = re.compile(r"[.!?;\n]+")
_NEAR: Final = 6  # words
_FEW_WORDS: Final = 10
_NOTHING: Final[frozenset[str]] = frozenset()
_E_MAIL: Final[frozenset[Channel]] = frozenset({"email"})
_LONGEST: Final = 500


class Box(NamedTuple):
    """What a field asks. `channels` empty: e-mail. `against`: ticked, it is a no."""

    channels: frozenset[Channel]
    purposes: frozenset[str]
    against: bool


class Said(NamedTuple):
    """The consents: by channel, and for e-mail by purpose. None and absent: nothing was said."""

    channels: Mapping[Channel, bool]
    purposes: Mapping[str, bool]


@lru_cache(maxsize=4096)
def box(sent: str) -> Box | None:
    """What a field of this name, or with these words beside it, asks; None when it asks for no consent."""
    sent = _plain(sent[:_LONGEST])
    words = words_in(sent)
    all_of = _with_pairs(words)
    purposes, against = _purposes(words), _against(sent)
    wished = bool(all_of & WISH) and not all_of & COPY
    if wished and not purposes and all_of & NEWS:
        purposes = frozenset({"newsletter"})
    wished = wished and bool(purposes or all_of & CHANNELS.keys())
    if not (purposes or all_of & (AGREE | OUT) or (against and all_of & REACHED) or wished):
        return None
    if (not purposes and all_of & TERMS) or _OF_THEM.match(sent):
        return None
    if purposes and not (wished or all_of & (NEWSLETTER | AGREE | AGAINST)) and (len(words) > 2 or all_of & TERMS):  # noqa: PLR2004
        return None  # "Which of our offers …": what is sold is no question of consent
    if against and not purposes and not all_of & REACHED:
        purposes = frozenset({"newsletter", "marketing"})  # unsubscribing from a list is no refusal of an answer
    return Box(frozenset(CHANNELS[word] for word in all_of & set(CHANNELS)), purposes, against)


def worded(asked: Box, shown: str | None) -> Box:
    """The box as the words beside it say, when its own name says nothing."""
    beside = None if shown is None or asked.purposes or asked.channels or asked.against else box(shown)
    if beside is None:
        return asked
    return Box(asked.channels, beside.purposes, beside.against and len(words_in(shown or "")) <= _FEW_WORDS)


def answer(text: str) -> tuple[bool | None, frozenset[str]]:
    """Yes or no, and for which purposes it says so itself; None for what is neither ("Yes, but only by phone")."""
    text = _plain(text[:_LONGEST])
    plain = text.strip().casefold()
    if plain in YES | NO | NOT_TICKED:
        return None if plain in NOT_TICKED else plain in YES, _NOTHING
    words = words_in(text)
    if not words or UNLESS & set(words):
        return None, _NOTHING
    if (joined := "".join(words)) in YES | NO:  # opted in, nie chcę
        return joined in YES, _NOTHING
    given = _given(text, words)
    return given, _purposes(words) if given is not None else _NOTHING


def _given(text: str, words: Sequence[str]) -> bool | None:
    """Whether a sentence agrees."""
    bare = [word for word in words if word not in COURTESY]
    if _against(text) or (bare and all(word in NO for word in bare)):
        return None if words[0] in YES else False
    if not bare or all(word in YES for word in bare):
        return True if set(words) & YES else None
    if words[0] in NO | YES and _FIRST_A_WORD.match(text):
        return words[0] in YES
    if words[0] in AGAINST:
        return None
    agrees = _purposes(words) or _with_pairs(words) & AGREE or (bare[0] in YES and set(bare[1:]) & set(CHANNELS))
    return True if agrees else None


def _against(text: str) -> bool:
    """Whether it says no to something that matters here: "no newsletter", "please unsubscribe", not "no spam".

    What is possible later ("you can unsubscribe at any time") is no refusal.
    """
    for place, sentence in enumerate(_SENTENCES.split(text)):
        words = words_in(sentence)
        pairs = ["".join(pair) for pair in pairwise(words)]
        first = len(words) if " " not in text.strip() else 2  # hs_email_optout, hasOptedOut
        if not place and OUT & {*words[:first], *pairs[:first]}:
            return True
        for index, word in enumerate(words):
            if word in NO_WORDS and _MATTERS & _with_pairs(words[index + 1 : index + _NEAR]):
                return True
            if word in BEHIND and index and words[index - 1] in AGREE | CONTACT:
                return True
    return False


def _plain(text: str) -> str:
    """With don't and opt me out as the words that they are."""
    return _OUT_OF.sub("optout", _APOSTROPHES.sub("", text.replace("\ufe0f", "")))


def _with_pairs(words: Sequence[str]) -> set[str]:
    """The words, and each two as one: opt-in is optin."""
    return {*words, *("".join(pair) for pair in pairwise(words))}


def _purposes(words: Sequence[str]) -> frozenset[str]:
    found = _with_pairs(words)
    return frozenset(name for name, known in (("newsletter", NEWSLETTER), ("marketing", MARKETING)) if found & known)


def together(asked: Iterable[tuple[Box, str]]) -> Said:
    """All boxes of a form together; a no outranks a yes for the same.

    A yes to a newsletter is one to e-mail, as a ticked box always was; a no is one to newsletters alone.
    """
    channels: dict[Channel, bool] = {}
    purposes: dict[str, bool] = {}
    for each, text in asked:
        given, named = answer(text)
        if given is None and not each.against and (said := words_in(text)) and CHANNELS.keys() >= set(said):
            for word in said:  # "$consent: email, sms"
                channels.setdefault(CHANNELS[word], True)
            continue
        if given is None or (each.against and not given):
            continue  # "no newsletter: no" is ambiguous
        given = given and not each.against
        about = each.purposes | named
        if about and not each.channels - _E_MAIL:
            for purpose in about:
                purposes[purpose] = given and purposes.get(purpose, True)
            if not given:
                continue
        for channel in each.channels or _E_MAIL:
            channels[channel] = given and channels.get(channel, True)
    return Said(channels, purposes)
