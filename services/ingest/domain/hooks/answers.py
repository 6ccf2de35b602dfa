"""The answers of another service's form, read with the guesses of our own forms.

Nobody can submit such a form again with other words: whatever is too long, unknown or not quite right is cut or becomes
a trait, and a lead is refused only when there is nobody to answer.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, Final, NamedTuple

import msgspec

from services.ingest.domain.checks import LONG, LONGEST_WORDING, SHORT, Wrong
from services.ingest.domain.contact_points import number_in
from services.ingest.domain.fact import Refused
from services.ingest.domain.forms.names import CAMPAIGN, usual_field
from services.ingest.domain.forms.read import read_form
from shared.events.identity import normalise_email, normalise_opaque
from shared.events.types import LeadCaptured
from shared.limits import LONGEST_URL

# The greatest age of a signed body without a signed time: as long as the log keeps events. An older copy could bring
# back an erased person.
OLDEST: Final = timedelta(days=28)
_LONGEST: Final = {
    "message": LONG, "page": LONGEST_URL, "referrer": LONGEST_URL, "consent_wording": LONGEST_WORDING
}  # fmt: skip
_LONGEST_NAME: Final = 100
_MOST_ANSWERS: Final = 1000
_MOST_TRAITS: Final = 200
_NOT_FORM_FIELDS: Final = frozenset({"message_id", "consent_wording"})
_RULES: Final[Mapping[str, Callable[[str], str]]] = {
    "email": normalise_email,
    "user_id": normalise_opaque,
    "anonymous_id": normalise_opaque,
}
# What can be read as a consent given or refused; "Yes, but only by phone" is kept as a trait.
_YES_OR_NO: Final = frozenset(
    {"yes", "no", "true", "false", "ja", "nein", "nee", "oui", "non", "si", "sí", "sim", "tak"}
)
# "What's your name?" asks for the name.
_ASKED: Final = re.compile(r"^(?:(?:and|what.?s|what|is|please|enter|tell|us|the|your)\b[\s,:]*)+", re.IGNORECASE)


class Answer(NamedTuple):
    """One answer. `at` points to it in the body, `name` is the question, `alias` the name that its author gave it.

    `ours`: our field, if the question's type tells; `long`: whether people write whole sentences there.
    """

    at: str
    name: str
    value: str
    ours: str | None = None
    alias: str | None = None
    long: bool = False
    wording: str | None = None


def words(value: object) -> str | None:
    """A plain JSON value, or a list of such, as one text without NUL; None when it says nothing."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, str):
        return value.replace("\0", "").strip() or None
    if isinstance(value, list):
        return ", ".join(each for item in value if not isinstance(item, list) and (each := words(item))) or None
    return None


def objects(value: object) -> list[tuple[int, Mapping[str, Any]]]:
    """The objects of a list, each with its place in it; empty when it is no list."""
    return (
        [(place, each) for place, each in enumerate(value) if isinstance(each, dict)] if isinstance(value, list) else []
    )


def check_recent(time: datetime | None, now: datetime, at: str) -> None:
    """Raises Refused when it happened too long ago."""
    if time is not None and now - time > OLDEST:
        raise Refused([Wrong(at, f"must not be older than {OLDEST.days} days")])


def read_answers(
    answers: Sequence[Answer],
    options: Mapping[str, Any],
    *,
    form: str | None,
    at: str,
    more: Mapping[str, str | None],
) -> LeadCaptured:
    """The lead. The option `fields` (our name → the question) goes before the guesses, `more` are further traits.

    Raises Refused when there is nobody to answer, at `at` or at the answer that should have told.
    """
    answers = answers[:_MOST_ANSWERS]
    found = _recognise(answers, options.get("fields") or {}, options.get("country"))
    rest = [answer for answer in answers if answer not in found.values()]
    if "message" not in found:
        long = next(
            (each for each in rest if each.long or (len(each.value) > SHORT and each.name not in CAMPAIGN)), None
        )
        if long is not None:
            found["message"] = long
            rest.remove(long)
    fields = {ours: answer.value[: _LONGEST.get(ours, SHORT)] for ours, answer in found.items()}
    if "consent" in found:
        consent = found["consent"]
        fields["consent_wording"] = (consent.wording or consent.name)[: _LONGEST["consent_wording"]]
    apart: list[tuple[str, str]] = []
    for answer in rest:
        name = _name(answer.name)
        if name in _NOT_FORM_FIELDS or usual_field(name) is not None:
            apart.append((name, answer.value))  # apart from fields found elsewhere
        else:
            _add(fields, name, answer.value)  # the form's rules know which of these are campaign fields
    try:
        lead = read_form(fields, {ours: ours for ours in found}, name="", country=options.get("country")).data
    except Refused as refused:
        places = {f"/{ours}": answer.at for ours, answer in found.items()}
        raise Refused([Wrong(places.get(each.at, at), each.problem) for each in refused.wrong]) from None
    assert isinstance(lead, LeadCaptured)
    told = {name: text[:SHORT] for name, text in more.items() if text}
    traits: dict[str, Any] = {**told, **lead.traits}
    for name, value in apart:
        _add(traits, name, value)
    return msgspec.structs.replace(lead, form=form, traits=dict(islice(traits.items(), _MOST_TRAITS)))


def _recognise(answers: Sequence[Answer], mapping: Mapping[str, str], country: str | None) -> dict[str, Answer]:
    """Our field → its answer; of several that could be it, the one that was meant most clearly and can be read."""
    candidates: dict[str, list[tuple[int, Answer]]] = {}
    theirs = {name: ours for ours, name in mapping.items()}
    for answer in answers:
        guesses = (
            theirs.get(answer.name) or theirs.get(answer.alias or ""),
            answer.ours,
            usual_field(answer.alias or ""),
            usual_field(_ASKED.sub("", answer.name)),
        )
        sure, ours = next(((sure, ours) for sure, ours in enumerate(guesses) if ours), (0, None))
        if ours is not None and (ours != "consent" or answer.value.lower() in _YES_OR_NO):
            candidates.setdefault(ours, []).append((sure, answer))
    found: dict[str, Answer] = {}
    unreadable: dict[str, Answer] = {}
    for ours, those in candidates.items():
        ordered = [answer for _, answer in sorted(those, key=lambda each: each[0])]
        readable = next((answer for answer in ordered if _can_be(ours, answer.value, country)), None)
        if readable is not None:
            found[ours] = readable
        elif ours in ("email", "phone"):
            unreadable[ours] = ordered[0]
    # A wrong address beside a good number is a trait; alone it is what is wrong. A number with an address is kept as
    # it was written.
    if "email" not in found and "phone" not in found and "email" in unreadable:
        found["email"] = unreadable["email"]
    elif "phone" not in found and "phone" in unreadable:
        found["phone"] = unreadable["phone"]
    return found


def _can_be(ours: str, text: str, country: str | None) -> bool:
    if ours == "phone":
        return number_in(text, country) is not None
    rule = _RULES.get(ours)
    if rule is None:
        return True
    try:
        rule(text)
    except ValueError:
        return False
    return True


def _name(question: str) -> str:
    return question.replace("\0", "").strip().lstrip("_")[:_LONGEST_NAME].strip() or "answer"


def _add(texts: dict[str, Any], name: str, value: str) -> None:
    """Add under the name, or under the next free one when it is taken."""
    free, count = name, 1
    while free in texts:
        count += 1
        free = f"{name[: _LONGEST_NAME - 10]} {count}"
    texts[free] = value[:SHORT]
