"""HTML forms: which field is which, whatever it is called, and whether a person filled it in."""

import re
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from services.ingest.domain.checks import LONG, LONGEST_NAME, LONGEST_WORDING, SHORT, Fields, Wrong, name_problem
from services.ingest.domain.contact_points import number_in
from services.ingest.domain.fact import Fact, Refused, read_campaign
from services.ingest.domain.forms.consent import Box, answer, box, together, worded
from services.ingest.domain.forms.consent_words import NO, NOT_TICKED, YES
from services.ingest.domain.forms.names import (
    CAMPAIGN,
    HONEYPOTS,
    MOST_FIELDS,
    before_a_number,
    family_first,
    first_in_turkish,
    usual_field,
)
from services.ingest.domain.forms.shape import flat, opened, parted, titled
from services.ingest.domain.names import person_name
from shared.events.identity import Identity, identify, normalise_email
from shared.events.types import Campaign, Consent, LeadCaptured
from shared.limits import LONGEST_URL
from shared.places.countries import country_code

_ONE: Final = frozenset({"email", "phone", "user_id", "anonymous_id", "page", "referrer"})
_WHO: Final = frozenset({"email", "phone", "user_id", "anonymous_id"})
_MOST_PARAMETERS: Final = 100
_REACHED: Final = frozenset({"email", "phone"})
_ANSWERS: Final = YES | NO | NOT_TICKED
_DIAL_CODE: Final = re.compile(r"(?:\+|00)?[1-9]\d{0,3}")
_PLAIN_BOX: Final = Box(frozenset(), frozenset(), against=False)


def caught(form: Mapping[str, object]) -> bool:
    """Whether the hidden field, which only robots see, is filled in."""
    return any(form.get(name) for name in HONEYPOTS)


def read_form(
    form: Mapping[str, object],
    mapping: Mapping[str, str],
    *,
    name: str,
    came_from: str | None = None,
    wording: str | None = None,
    country: str | None = None,
) -> Fact:
    """A lead from a form's fields; `mapping` (our name → theirs) goes before the guesses.

    `came_from` is the Referer header: the page, unless the form tells it. `wording`: what a visitor sees beside the
    consent box, unless the form tells it. `country`: of phone numbers, when the form does not ask for one.
    Unknown fields become traits. Wrong fields are named as the form names them. Raises Refused.
    """
    form = _counted(parted(titled(flat(form))))
    theirs = _recognise(form, mapping)
    if theirs.keys().isdisjoint(_WHO):
        form = _counted(opened(form))
        theirs = _recognise(form, mapping)
    boxes = _boxes(form, theirs)
    fields = _plain(form, theirs, boxes)
    email = fields.email(theirs["email"]) if "email" in theirs else None
    phone = _phone(fields, theirs, country)
    user_id = fields.opaque(theirs["user_id"]) if "user_id" in theirs else None
    anonymous_id = fields.opaque(theirs["anonymous_id"]) if "anonymous_id" in theirs else None
    identity = identify(email=email, phone=phone, user_id=user_id, anonymous_id=anonymous_id)
    if not fields.wrong and identity == Identity():
        fields.note(theirs.get("email", "email"), "is required: where shall we answer?")

    def text(ours: str, longest: int = SHORT) -> str | None:
        return fields.text(theirs[ours], longest) if ours in theirs else None

    page = text("page", LONGEST_URL) or (came_from or "").replace("\0", "")[:LONGEST_URL] or None
    full = person_name(
        text("name"),
        _both(text("first"), text("middle")),
        _both(text("last"), text("last2")),
        family_first=family_first(theirs.get("last", "")),
    )
    answers = {sent: said for sent in boxes if (said := fields.text(sent, LONGEST_WORDING)) is not None}
    consent = _consent(fields, [(boxes[sent], said) for sent, said in answers.items()], wording, page)
    theirs.pop("consent", None)
    campaign = _campaign(fields, page=page, referrer=text("referrer", LONGEST_URL))
    lead = LeadCaptured(
        identity=identity,
        name=full,
        form=name,
        page=page,
        campaign=campaign,
        interest=text("interest"),
        message=text("message", LONG),
        traits=_traits(fields, theirs, {sent for sent, said in answers.items() if answer(said)[0] is not None}),
        consent=consent,
    )
    sender_id = fields.text("message_id", 256)
    if fields.wrong:
        raise Refused(fields.wrong)
    return Fact("lead.captured", identity, lead, None, sender_id)


def _counted(form: Mapping[str, object]) -> Mapping[str, object]:
    if len(form) > MOST_FIELDS:
        raise Refused([Wrong("/", f"must have at most {MOST_FIELDS} fields")])
    return form


def campaign_in(url: str | None) -> dict[str, str]:
    """The UTM five and click ids in a page's address, by our names for them."""
    if not url or "?" not in url:
        return {}
    try:
        pairs = parse_qsl(urlsplit(url).query, max_num_fields=_MOST_PARAMETERS, errors="replace")
    except ValueError:
        return {}
    return {CAMPAIGN[name]: value[:SHORT].replace("\0", "") for name, value in pairs if value and name in CAMPAIGN}


def _campaign(fields: Fields, *, page: str | None, referrer: str | None) -> Campaign | None:
    """From the form's own fields, else from the address of its page, else from the page that linked there."""
    sent = {ours: fields.text(name) for name, ours in CAMPAIGN.items() if fields.data.get(name)}
    found: Mapping[str, object] = sent or campaign_in(page) or campaign_in(referrer)
    return read_campaign(Fields({**found, "referrer": referrer}, "", fields.wrong))


def _boxes(form: Mapping[str, object], theirs: Mapping[str, str]) -> dict[str, Box]:
    """The fields that ask for consent, without known fields of another kind."""
    boxes = {}
    others = {sent for ours, sent in theirs.items() if ours != "consent"}
    for sent in form:
        found = None if sent in others or sent.startswith("_") or sent == "consent_wording" else box(sent)
        if sent == theirs.get("consent"):
            found = found or _PLAIN_BOX
        if found is not None:
            boxes[sent] = found
    return boxes


def _consent(fields: Fields, asked: Sequence[tuple[Box, str]], wording: str | None, page: str | None) -> Consent | None:
    """What the boxes say, with the words beside them. An unticked box says neither yes nor no.

    Forms of WordPress send the words themselves for a ticked box.
    """
    if not asked and wording is None:
        return None
    shown = fields.text("consent_wording", LONGEST_WORDING) or wording
    said = together((worded(each, shown), "yes" if text == shown else text) for each, text in asked)
    if not said.channels and not said.purposes and shown is None:
        return None
    return Consent(
        email=said.channels.get("email"),
        phone=said.channels.get("phone"),
        sms=said.channels.get("sms"),
        purposes=dict(said.purposes),
        wording=shown,
        proof=None if page is None else f"form on {page}",
    )


def _plain(form: Mapping[str, object], theirs: Mapping[str, str], boxes: Mapping[str, Box]) -> Fields:
    """The fields as text: of what can only be one the first, of a box the one after its hidden "no", else all."""
    ours = {sent: name for name, sent in theirs.items()}
    plain: dict[str, object] = {}
    fields = Fields(plain)
    for sent, value in form.items():
        if isinstance(value, bool):
            plain[sent] = "true" if value else "false"
        elif isinstance(value, dict):
            fields.note(sent, "must be text: a file or an object is not taken here")
        elif isinstance(value, list) and all(isinstance(each, str) for each in value):
            name = ours.get(sent)
            said = [each for each in value if each.strip()]
            pair = sent in boxes and said and answer(said[0])[0] is not True
            plain[sent] = ", ".join(said[:1] if name in _ONE else said[-1:] if pair else said)
        else:
            plain[sent] = value
    for sent in boxes:
        ticked = plain.get(sent)
        if isinstance(ticked, str) and ticked.strip().lower() in NOT_TICKED:
            plain[sent] = ""
    return fields


def _recognise(form: Mapping[str, object], mapping: Mapping[str, str]) -> dict[str, str]:
    """Our field name → the name it has in this form."""
    theirs = {ours: sent for ours, sent in mapping.items() if sent in form}
    for sent in sorted(form, key=_is_of_the_form):
        ours = usual_field(sent)
        ticked = (
            ours in _REACHED and str(form[sent]).strip().lower() in _ANSWERS
        )  # "E-mail me offers: yes" is no address
        if ours is not None and form[sent] not in ("", None, []) and not ticked:
            theirs.setdefault(ours, sent)
    if "last" in theirs and "first" not in theirs and (first := first_in_turkish(form)) is not None:
        theirs["first"] = first
    if "email" not in theirs:
        _find_by_value(form, theirs, "email", _is_address)
    if "email" not in theirs and "phone" not in theirs:
        _find_by_value(form, theirs, "phone", _is_number)
    if "message" not in theirs:  # an answer that no trait can hold was written to be read
        found = next((sent for sent, said in form.items() if sent not in theirs.values() and _is_long(said)), None)
        theirs |= {} if found is None else {"message": found}
    return theirs


def _is_long(said: object) -> bool:
    return isinstance(said, str) and len(said) > SHORT and not _is_of_a_machine(said)


def _is_of_a_machine(said: object) -> bool:
    """Whether it is JSON that no trait can hold: what a builder sends about its form."""
    return isinstance(said, str) and len(said) > SHORT and said[:1] in ("{", "[")


def _is_of_the_form(sent: str) -> int:
    """Builders send the form's own name beside the fields, as `form[name]`, or as `name` above `data[name]`."""
    return 2 if sent.startswith("form[") else "[" not in sent


def _both(one: str | None, other: str | None) -> str | None:
    return " ".join(each for each in (one, other) if each) or None


def _find_by_value(form: Mapping[str, object], theirs: dict[str, str], ours: str, fits: Callable[[str], bool]) -> None:
    """The first value that is an address is the address, whatever its field is called; likewise a number.

    The first: forms ask for one's own before that of a friend, and ask again to confirm it.
    """
    for sent, value in form.items():
        said = value[0] if isinstance(value, list) and value else value
        if isinstance(said, str) and not sent.startswith("_") and sent not in HONEYPOTS and fits(said):
            for name in [name for name, taken in theirs.items() if taken == sent]:
                del theirs[name]
            theirs[ours] = sent
            return


def _is_address(text: str) -> bool:
    return "@" in text and _reads(normalise_email, text)


def _is_number(text: str) -> bool:
    return text.lstrip().startswith(("+", "00")) and number_in(text, None) is not None


def _reads(rule: Callable[[str], str], text: str) -> bool:
    try:
        rule(text)
    except ValueError:
        return False
    return True


def _phone(fields: Fields, theirs: Mapping[str, str], country: str | None) -> str | None:
    """By the form's country, where it asks for one, else by `country`.

    An unreadable number becomes a trait; it is refused only when nothing else identifies the person.
    """
    if "phone" not in theirs:
        return None
    written, asked = fields.text(theirs["phone"]), fields.text(theirs.get("country", ""))
    if written is None:
        return None
    whole, there = _whole(fields, theirs["phone"], written)
    found = number_in(whole, there or (None if asked is None else country_code(asked)) or country)
    if found is None and "email" not in theirs:
        fields.phone(theirs["phone"])
    return found


def _whole(fields: Fields, sent: str, written: str) -> tuple[str, str | None]:
    """The number with what stands before it in fields of its own: `+49`, `030`; and the country that one names."""
    parts = {
        which: text for each in fields.data if (which := before_a_number(each, sent)) and (text := fields.text(each))
    }
    abroad, area = parts.get("abroad", ""), parts.get("area", "")
    country = country_code(abroad) if abroad else None
    if written.lstrip().startswith(("+", "00")):
        return written, country
    if area and not area.startswith(("+", "00")):
        written = f"{area} {written}"
    elif area:
        abroad = area
    if _DIAL_CODE.fullmatch(abroad):
        return f"+{abroad.lstrip('+0')} {written}", country
    return written, country


def _traits(fields: Fields, theirs: Mapping[str, str], answered: AbstractSet[str]) -> dict[str, str]:
    taken = set(theirs.values()) - {theirs.get("company"), theirs.get("country")}
    skipped = {*taken, *answered, *CAMPAIGN, *HONEYPOTS, "message_id", "consent_wording"}
    traits = {}
    for sent in fields.data:
        if sent in skipped or not 0 < len(sent) <= LONGEST_NAME or sent.startswith("_"):
            continue
        if _is_of_a_machine(fields.data[sent]):
            continue
        problem = name_problem(sent)
        if problem is not None:
            fields.note(sent, problem)
            continue
        ours = next((name for name in ("company", "country") if theirs.get(name) == sent), sent)
        value = fields.text(sent)
        if value is not None:
            traits[ours] = value
    if "phone" in theirs:
        written = fields.text(theirs["phone"])
        if written is not None:
            traits["phone_as_written"] = written
    return traits
