"""HTML forms: which field is which, whatever it is called, and whether a person filled it in."""

from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from services.ingest.domain.checks import LONG, LONGEST_NAME, SHORT, Fields, Wrong, name_problem
from services.ingest.domain.contact_points import number_in
from services.ingest.domain.fact import Fact, Refused, read_campaign
from services.ingest.domain.forms.names import CAMPAIGN, HONEYPOTS, MOST_FIELDS, usual_field
from services.ingest.domain.forms.shape import flat
from services.ingest.domain.names import person_name
from shared.events.identity import Identity, identify, normalise_email, normalise_phone
from shared.events.types import Campaign, Consent, LeadCaptured
from shared.places.countries import country_code

_LONGEST_URL: Final = 2000
_ONE: Final = frozenset({"email", "phone", "user_id", "anonymous_id", "page", "referrer"})
_MOST_PARAMETERS: Final = 100
# What can be read as a consent given or refused; "Yes, but only by phone" is kept as a trait.
_YES: Final = frozenset(
    {"1", "on", "yes", "true", "ja", "oui", "si", "sí", "sì", "sim", "tak", "y", "checked", "agree", "agreed"}
)
_NO: Final = frozenset({"no", "nein", "non", "nee", "não", "nao", "nie", "n"})
_NOT_TICKED: Final = frozenset({"0", "off", "false"})  # what programs send for a box that was left alone


def caught(form: Mapping[str, object]) -> bool:
    """Whether a field that people cannot see is filled in: a robot did it."""
    return any(form.get(name) for name in HONEYPOTS)


def read_form(
    form: Mapping[str, object],
    mapping: Mapping[str, str],
    *,
    name: str,
    came_from: str | None = None,
    wording: str | None = None,
) -> Fact:
    """A lead from a form's fields; `mapping` (our name → theirs) goes before the guesses.

    `came_from` is the Referer header: the page, when the form does not tell it. `wording` is what a visitor sees beside
    the consent box, when the form does not tell it. Fields that are nobody's are kept as traits. Wrong fields are named
    as the form names them. Raises Refused.
    """
    form = flat(form)
    if len(form) > MOST_FIELDS:
        raise Refused([Wrong("/", f"must have at most {MOST_FIELDS} fields")])
    theirs = _recognise(form, mapping)
    fields = _plain(form, theirs)
    email = fields.email(theirs["email"]) if "email" in theirs else None
    phone = _phone(fields, theirs)
    user_id = fields.opaque(theirs["user_id"]) if "user_id" in theirs else None
    anonymous_id = fields.opaque(theirs["anonymous_id"]) if "anonymous_id" in theirs else None
    identity = identify(email=email, phone=phone, user_id=user_id, anonymous_id=anonymous_id)
    if not fields.wrong and identity == Identity():
        fields.note(theirs.get("email", "email"), "is required: where shall we answer?")

    def text(ours: str, longest: int = SHORT) -> str | None:
        return fields.text(theirs[ours], longest) if ours in theirs else None

    page = text("page", _LONGEST_URL) or (came_from or "").replace("\0", "")[:_LONGEST_URL] or None
    full = person_name(text("name"), text("first"), text("last"))
    consent = _consent(fields, text("consent"), wording, page)
    if consent is not None and consent.email is None:
        theirs.pop("consent", None)
    campaign = _campaign(fields, page=page, referrer=text("referrer", _LONGEST_URL))
    lead = LeadCaptured(
        identity=identity,
        name=full,
        form=name,
        page=page,
        campaign=campaign,
        interest=text("interest"),
        message=text("message", LONG),
        traits=_traits(fields, theirs),
        consent=consent,
    )
    sender_id = fields.text("message_id", 256)
    if fields.wrong:
        raise Refused(fields.wrong)
    return Fact("lead.captured", identity, lead, None, sender_id)


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


def _consent(fields: Fields, ticked: str | None, wording: str | None, page: str | None) -> Consent | None:
    """The answer to the consent box with the words beside it. A box that was not ticked says neither yes nor no.

    Forms of WordPress send the words themselves for a ticked box.
    """
    if ticked is None and wording is None:
        return None
    shown = fields.text("consent_wording", 5000) or wording
    return Consent(
        email=None if ticked is None else _agreed(ticked, shown),
        wording=shown,
        proof=None if page is None else f"form on {page}",
    )


def _agreed(ticked: str, shown: str | None) -> bool | None:
    word = ticked.lower()
    if word in _YES or ticked == shown:
        return True
    return False if word in _NO else None


def _plain(form: Mapping[str, object], theirs: Mapping[str, str]) -> Fields:
    """The fields as text: of what can only be one the first, of a consent the box after its hidden "no", else all."""
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
            plain[sent] = ", ".join(said[:1] if name in _ONE else said[-1:] if name == "consent" else said)
        else:
            plain[sent] = value
    box = theirs.get("consent", "")
    ticked = plain.get(box)
    if isinstance(ticked, str) and ticked in _NOT_TICKED:
        plain[box] = ""
    return fields


def _recognise(form: Mapping[str, object], mapping: Mapping[str, str]) -> dict[str, str]:
    """Our field name → the name it has in this form."""
    theirs = {ours: sent for ours, sent in mapping.items() if sent in form}
    for sent in sorted(form, key=_is_of_the_form):
        ours = usual_field(sent)
        if ours is not None and form[sent] not in ("", None, []):
            theirs.setdefault(ours, sent)
    box = str(form.get(theirs.get("email", ""), "")).strip().lower()
    if "email" not in theirs or box in _YES | _NO | _NOT_TICKED:  # "E-mail me offers: yes" is no address
        _find_by_value(form, theirs, "email", _is_address)
    if "email" not in theirs and "phone" not in theirs:
        _find_by_value(form, theirs, "phone", _is_number)
    return theirs


def _is_of_the_form(sent: str) -> int:
    """Builders send the form's own name beside the fields, as `form[name]`, or as `name` above `data[name]`."""
    return 2 if sent.startswith("form[") else "[" not in sent


def _find_by_value(form: Mapping[str, object], theirs: dict[str, str], ours: str, fits: Callable[[str], bool]) -> None:
    """A form's only value that is an address is the address, whatever its field is called; so with a number."""
    found = [
        sent
        for sent, value in form.items()
        if isinstance(value, str) and fits(value) and not sent.startswith("_") and sent not in HONEYPOTS
    ]
    if len(found) == 1:
        for name in [name for name, sent in theirs.items() if sent == found[0]]:
            del theirs[name]
        theirs[ours] = found[0]


def _is_address(text: str) -> bool:
    return "@" in text and _reads(normalise_email, text)


def _is_number(text: str) -> bool:
    return text.lstrip().startswith("+") and _reads(normalise_phone, text)


def _reads(rule: Callable[[str], str], text: str) -> bool:
    try:
        rule(text)
    except ValueError:
        return False
    return True


def _phone(fields: Fields, theirs: Mapping[str, str]) -> str | None:
    """By the form's country, where it asks for one. A number that stays unreadable is kept as a trait, not refused.

    Of several numbers in one field it is the first; 00 is +.
    """
    if "phone" not in theirs:
        return None
    written, country = fields.text(theirs["phone"]), fields.text(theirs.get("country", ""))
    if written is None:
        return None
    region = None if country is None else country_code(country)
    found = number_in(written, region)
    if found is not None:
        return found
    if "email" not in theirs:
        fields.phone(theirs["phone"])
    return None


def _traits(fields: Fields, theirs: Mapping[str, str]) -> dict[str, str]:
    taken = set(theirs.values()) - {theirs.get("company"), theirs.get("country")}
    skipped = {*taken, *CAMPAIGN, *HONEYPOTS, "message_id", "consent_wording"}
    traits = {}
    for sent in fields.data:
        if sent in skipped or not sent or len(sent) > LONGEST_NAME or sent.startswith("_"):
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
