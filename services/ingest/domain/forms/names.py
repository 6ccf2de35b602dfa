"""The names that forms give to their fields, and what they are for us."""

import re
import unicodedata
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

MOST_FIELDS: Final = 100
HONEYPOTS: Final = ("_gotcha", "bot-field", "_honey")
STAMP: Final = "_stamp"
# Ours → as forms and links name it. The snippet's own hidden fields carry the same names.
CAMPAIGN: Final[Mapping[str, str]] = {
    "utm_source": "source", "utm_medium": "medium", "utm_campaign": "name", "utm_term": "term",
    "utm_content": "content", "gclid": "gclid", "gbraid": "gbraid", "wbraid": "wbraid", "fbclid": "fbclid",
    "msclkid": "msclkid", "ttclid": "ttclid", "twclid": "twclid", "li_fat_id": "li_fat_id",
}  # fmt: skip

# The usual names, in English, German, French, Spanish, Italian, Dutch, Portuguese and Polish; letters only, no accents.
_USUAL: Final[Mapping[str, tuple[str, ...]]] = {
    "email": ("email", "emailaddress", "mail", "youremail", "emailadresse", "courriel", "correo", "correoelectronico",
              "adressemail", "indirizzoemail", "emailadres", "workemail", "businessemail", "adresemail", "adresseemail",
              "contactemail", "useremail", "mailadresse", "enderecodeemail", "replyto", "adresseelectronique",
              "direcciondecorreo", "direccioncorreo", "postaelettronica", "pocztaelektroniczna"),
    "phone": ("phone", "phonenumber", "tel", "telephone", "telefon", "telefonnummer", "mobile", "handy", "telefono",
              "telephonenumber", "yourphone", "telefoon", "telefone", "cellulare", "numertelefonu", "mobilephone",
              "rufnummer", "mobil", "mobilnummer", "portable", "numerodetelephone", "movil", "celular",
              "telefoonnummer", "telemovel", "contactphone"),
    "name": ("name", "fullname", "yourname", "nom", "nombre", "nome", "naam", "vollername", "nomcomplet",
             "nombrecompleto", "nomecompleto", "imie", "contactname", "vorundnachname", "firstandlastname",
             "prenometnom", "nombreyapellidos", "nomeecognome", "voorenachternaam", "imieinazwisko", "volledigenaam",
             "nometprenom", "nomprenom", "prenomnom", "namevorname", "vornamename", "vornamenachname",
             "nachnamevorname",
             "nombreyapellido", "nombreapellidos", "apellidosynombre", "cognomeenome", "cognomenome", "nomecognome",
             "nomeesobrenome", "nomesobrenome", "nazwiskoiimie", "imienazwisko", "naamenvoornaam", "voornaamachternaam",
             "namesurname", "nameandsurname", "firstlastname", "firstandlast"),
    "first": ("firstname", "vorname", "prenom", "givenname", "fname", "voornaam", "primeironome", "forename", "rufname",
              "namefirst", "firstnames", "givennames", "forenames", "prenoms", "nombredepila", "primernombre",
              "nomeproprio"),
    "middle": ("middlename", "middleinitial", "tussenvoegsel", "segundonombre", "zweitervorname", "deuxiemeprenom",
               "secondonome", "nomedomeio", "drugieimie"),
    "last": ("lastname", "nachname", "nomdefamille", "apellido", "apellidos", "surname", "familyname", "lname",
             "cognome", "achternaam", "sobrenome", "nazwisko", "familienname", "zuname", "familienaam", "apelido",
             "namelast", "apelidos", "primerapellido", "apellidopaterno", "nomdusage"),
    "last2": ("segundoapellido", "apellidomaterno", "secondlastname"),
    "company": ("company", "companyname", "organization", "organisation", "firma", "unternehmen", "entreprise",
                "societe", "empresa", "azienda", "bedrijf", "yourcompany", "firmenname", "bedrijfsnaam", "organisatie"),
    "message": ("message", "yourmessage", "comments", "comment", "nachricht", "mensaje", "messaggio", "bericht",
                "mensagem", "anfrage", "wiadomosc", "body", "enquiry", "inquiry", "ihrenachricht", "votremessage",
                "kommentar", "commentaire", "comentario", "commenti", "opmerkingen"),
    "interest": ("interest", "topic", "subject", "yoursubject", "betreff", "sujet", "asunto", "oggetto", "interesse",
                 "thema", "assunto", "temat"),
    "country": ("country", "land", "pays", "pais", "paese", "kraj"),
    "user_id": ("userid",),
    "anonymous_id": ("anonymousid",),
    "page": ("page", "pageurl"),
    "referrer": ("referrer", "referer"),
    "consent": ("consent", "gdpr", "rgpd", "optin", "newsletter", "einwilligung", "marketingconsent", "acceptmarketing",
                "emailconsent", "consentement", "consentimiento", "consenso", "consentimento", "toestemming", "zgoda"),
}  # fmt: skip
_KNOWN: Final = {word: ours for ours, words in _USUAL.items() for word in words}

# What stands around a name and does not change it. Words of courtesy, and of what has to be filled in:
_COURTESY: Final = frozenset(
    {
        "your", "my", "our", "the", "please", "enter", "required", "requis", "optional", "mandatory", "no",
        "label", "valid", "field", "address", "ihre", "ihr", "deine", "dein", "bitte", "pflichtfeld",
        "erforderlich", "eingeben", "adresse", "votre", "vos", "ton", "ta", "obligatoire", "champ", "veuillez",
        "saisir", "su", "tu", "obligatorio", "requerido", "campo", "direccion", "de", "il", "la", "le", "tuo",
        "tua", "suo", "sua", "obbligatorio", "indirizzo", "uw", "je", "jouw", "verplicht", "veld", "adres", "o",
        "a", "seu", "teu", "endereco", "obrigatorio", "twoj", "twoja", "twoje", "swoj", "swoja", "pole",
        "wymagane", "wpisz", "podaj",
    }
)  # fmt: skip
# … and of form builders, who number and prefix their fields: q3_email, et_pb_contact_email_0, mauticform[f_email].
_BUILDERS: Final = frozenset(
    {
        "form", "forms", "field", "fields", "input", "inputs", "data", "item", "items", "value", "values",
        "contact", "lead", "customer", "client", "user", "billing", "q", "f", "nf", "hs", "sqf", "wpforms",
        "mauticform", "et", "pb", "fld", "text", "txt", "full", "main", "primary",
    }
)  # fmt: skip
# A form's own `form_name` and `form_page` are about the form; these are about a person, however they are prefixed.
_ABOUT_A_PERSON: Final = frozenset({"email", "phone", "first", "last", "company", "message"})
_NAMED_THEMSELVES: Final = frozenset({"form", "forms", "field", "input", "item", "data", "user", "value"})
_BRACKETS: Final = re.compile(r"[\[\]]+|(?<=\w)/(?=\w)")
_WORD: Final = re.compile(r"[^\W\d_]+")
_HUMP: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")
_HALVES: Final = {"first": "first", "last": "last"}  # q3_name[first], wpforms[fields][0][last]
# Parts of a number: phone[number] is the number, and these stand before it.
_OF_A_NUMBER: Final = frozenset({"number", "full", "local", "national", "e", "international"})
_AREAS: Final = ("area", "areacode", "vorwahl", "ortsvorwahl", "prefix", "prefijo", "prefisso", "netnummer")
_ABROAD: Final = (
    "countrycode", "dialcode", "dialingcode", "callingcode", "landesvorwahl", "laendervorwahl", "indicatif", "country",
    "code", "ddi", "landnummer",
)  # fmt: skip
_BEFORE_IT: Final[Mapping[str, str]] = {**dict.fromkeys(_AREAS, "area"), **dict.fromkeys(_ABROAD, "abroad")}
_LONGEST: Final = 200  # characters of a name that is looked at


@lru_cache(maxsize=4096)
def usual_field(sent: str) -> str | None:
    """What a field of that name usually is: a field of ours, `first`, `last`, `consent`; None when it is nobody's.

    Of a nested name the innermost part that says something decides: form_fields[email], items[Email][value].
    """
    parts = [part for part in _BRACKETS.split(sent[:_LONGEST]) if part]
    for part in reversed(parts):
        words = words_in(part)
        if (ours := _KNOWN.get("".join(words))) is not None:
            return ours
        bare = [word for word in words if word not in _COURTESY]
        if (ours := _KNOWN.get("".join(bare))) is not None:
            return ours
        bare = [word for word in bare if word not in _BUILDERS]
        if len(parts) > 1 and _OF_A_NUMBER.issuperset(bare):  # phone[number]; name[full]
            continue
        ours = _KNOWN.get("".join(bare))
        if ours in _ABOUT_A_PERSON or (ours == "name" and _NAMED_THEMSELVES.isdisjoint(words)):
            return ours
        if len(parts) > 1 and len(bare) == 1 and bare[0] in _HALVES:
            return _HALVES[bare[0]]
        if bare:  # it says something, and nothing that is known
            return None
    return None


def before_a_number(sent: str, number: str) -> str | None:
    """What a field is beside that of a number: `area` or `abroad` (the country's code, or the country); None: neither.

    It stands in the same bracket (phone[area] beside phone[number]), or is called after it (phone_area).
    """
    above, _, inner = sent[:_LONGEST].rstrip("]").rpartition("[")
    around, _, _ = number[:_LONGEST].rstrip("]").rpartition("[")
    words = words_in(inner)
    if above != around or sent == number:
        return None
    if not above:  # a country of its own is the person's
        words = words[1:] if words[:1] and _KNOWN.get(words[0]) == "phone" else words if len(words) > 1 else []
    return _BEFORE_IT.get("".join(words))


def words_in(text: str) -> list[str]:
    """Its words in small letters without accents; digits and all else only part them."""
    plain = unicodedata.normalize("NFKD", _HUMP.sub(" ", text)).lower().replace("ł", "l")
    return _WORD.findall("".join(letter for letter in plain if not unicodedata.combining(letter)))
