"""HTML forms: which field is which, whatever it is called, and whether a person filled it in."""

from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl

from services.ingest.domain.checks import LONG, SHORT, Fields, Wrong
from services.ingest.domain.fact import Fact, Refused, read_campaign
from shared.events.identity import Identity
from shared.events.types import Consent, LeadCaptured

_MOST_FIELDS: Final = 100
HONEYPOTS: Final = ("_gotcha", "bot-field", "_honey")
_CAMPAIGN: Final = {
    "utm_source": "source", "utm_medium": "medium", "utm_campaign": "name", "utm_term": "term",
    "utm_content": "content", "gclid": "gclid", "fbclid": "fbclid", "msclkid": "msclkid",
}  # fmt: skip

# The usual names, in English, German, French, Spanish, Italian, Dutch, Portuguese and Polish; letters only.
_USUAL: Final[Mapping[str, tuple[str, ...]]] = {
    "email": ("email", "emailaddress", "mail", "youremail", "emailadresse", "courriel", "correo", "correoelectronico",
              "adressemail", "indirizzoemail", "emailadres", "workemail", "businessemail", "adresemail"),
    "phone": ("phone", "phonenumber", "tel", "telephone", "telefon", "telefonnummer", "mobile", "handy", "telefono",
              "telephonenumber", "yourphone", "telefoon", "telefone", "cellulare", "numertelefonu"),
    "name": ("name", "fullname", "yourname", "nom", "nombre", "nome", "naam", "vollername", "nomcomplet",
             "nombrecompleto", "nomecompleto", "imie"),
    "first": ("firstname", "vorname", "prenom", "givenname", "fname", "voornaam", "primeironome"),
    "last": ("lastname", "nachname", "nomdefamille", "apellido", "apellidos", "surname", "familyname", "lname",
             "cognome", "achternaam", "sobrenome", "nazwisko"),
    "company": ("company", "companyname", "organization", "organisation", "firma", "unternehmen", "entreprise",
                "societe", "empresa", "azienda", "bedrijf", "yourcompany"),
    "message": ("message", "yourmessage", "comments", "comment", "nachricht", "mensaje", "messaggio", "bericht",
                "mensagem", "anfrage", "wiadomosc", "body", "enquiry", "inquiry"),
    "interest": ("interest", "topic", "subject", "yoursubject", "betreff", "sujet", "asunto", "oggetto", "interesse",
                 "thema", "assunto", "temat"),
    "country": ("country", "land", "pays", "pais", "paese", "kraj"),
    "user_id": ("userid",),
    "anonymous_id": ("anonymousid",),
    "page": ("page", "pageurl", "url"),
    "consent": ("consent", "gdpr", "optin", "newsletter", "einwilligung", "marketingconsent", "acceptmarketing"),
}  # fmt: skip
_KNOWN: Final = {word: ours for ours, words in _USUAL.items() for word in words}
_YES: Final = frozenset({"1", "on", "yes", "true", "ja", "oui", "si", "sí", "sim", "tak", "y"})


def parse_form(body: bytes) -> dict[str, str]:
    """The fields of a url-encoded body; of a field named twice, the first that is not empty. Raises Refused."""
    try:
        pairs = parse_qsl(
            body.decode("utf-8"),
            keep_blank_values=True,
            max_num_fields=_MOST_FIELDS,
            errors="strict",
        )
    except UnicodeDecodeError:
        raise Refused([Wrong("/", "must be UTF-8")]) from None
    except ValueError:
        raise Refused([Wrong("/", f"must have at most {_MOST_FIELDS} fields")]) from None
    found: dict[str, str] = {}
    for name, value in pairs:
        if not found.get(name):
            found[name] = value
    return found


def caught(form: Mapping[str, object]) -> bool:
    """Whether a field that people cannot see is filled in: a robot did it."""
    return any(form.get(name) for name in HONEYPOTS)


def usual_field(name: str) -> str | None:
    """Our field that a form's field of this name usually is: one of ours, `first`, `last` or `consent`; else None."""
    return _KNOWN.get("".join(letter for letter in name.lower() if letter.isalpha()))


def read_form(form: Mapping[str, object], mapping: Mapping[str, str], *, name: str) -> Fact:
    """A lead from a form's fields; `mapping` (our name → theirs) goes before the guesses.

    Fields that are nobody's are kept as traits. Wrong fields are named as the form names them. Raises Refused.
    """
    theirs = _recognise(form, mapping)
    fields = Fields(form)
    email = fields.email(theirs["email"]) if "email" in theirs else None
    phone = _phone(fields, theirs)
    user_id = fields.opaque(theirs["user_id"]) if "user_id" in theirs else None
    anonymous_id = fields.opaque(theirs["anonymous_id"]) if "anonymous_id" in theirs else None
    identity = Identity(email=email, phone=phone, user_id=user_id, anonymous_id=anonymous_id)
    if not fields.wrong and identity == Identity():
        fields.note(theirs.get("email", "email"), "is required: where shall we answer?")

    def text(ours: str, longest: int = SHORT) -> str | None:
        return fields.text(theirs[ours], longest) if ours in theirs else None

    full = text("name") or " ".join(part for part in (text("first"), text("last")) if part) or None
    campaign = read_campaign(Fields({ours: form.get(sent) for sent, ours in _CAMPAIGN.items()}, "", fields.wrong))
    consent = text("consent")
    lead = LeadCaptured(
        identity=identity,
        name=full,
        form=name,
        page=text("page", 2000),
        campaign=campaign,
        interest=text("interest"),
        message=text("message", LONG),
        traits=_traits(fields, theirs),
        consent=Consent(email=consent.lower() in _YES, wording=fields.text("consent_wording", 5000))
        if consent
        else None,
    )
    sender_id = fields.text("message_id", 256)
    if fields.wrong:
        raise Refused(fields.wrong)
    return Fact("lead.captured", identity, lead, None, sender_id)


def _recognise(form: Mapping[str, object], mapping: Mapping[str, str]) -> dict[str, str]:
    """Our field name → the name it has in this form."""
    theirs = {ours: sent for ours, sent in mapping.items() if sent in form}
    for sent in form:
        ours = usual_field(sent)
        if ours is not None and form[sent]:
            theirs.setdefault(ours, sent)
    return theirs


def _phone(fields: Fields, theirs: Mapping[str, str]) -> str | None:
    """People write numbers as at home, without the country: such a number is kept as a trait, not refused."""
    if "phone" not in theirs:
        return None
    before = len(fields.wrong)
    phone = fields.phone(theirs["phone"])
    if phone is None and "email" in theirs:
        del fields.wrong[before:]
    return phone


def _traits(fields: Fields, theirs: Mapping[str, str]) -> dict[str, str]:
    taken = set(theirs.values()) - {theirs.get("company"), theirs.get("country")}
    skipped = {*taken, *_CAMPAIGN, *HONEYPOTS, "message_id", "consent_wording"}
    traits = {}
    for sent in fields.data:
        if sent in skipped or not sent or len(sent) > 100 or sent.startswith("_"):  # noqa: PLR2004 - a name's length
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
