"""The names that forms give to their fields, and what they are for us."""

import re
import unicodedata
from collections.abc import Mapping
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
              "contactemail", "useremail", "mailadresse", "enderecodeemail"),
    "phone": ("phone", "phonenumber", "tel", "telephone", "telefon", "telefonnummer", "mobile", "handy", "telefono",
              "telephonenumber", "yourphone", "telefoon", "telefone", "cellulare", "numertelefonu", "mobilephone",
              "rufnummer", "mobil", "mobilnummer", "portable", "numerodetelephone", "movil", "celular",
              "telefoonnummer", "telemovel", "contactphone"),
    "name": ("name", "fullname", "yourname", "nom", "nombre", "nome", "naam", "vollername", "nomcomplet",
             "nombrecompleto", "nomecompleto", "imie", "contactname", "imieinazwisko", "volledigenaam"),
    "first": ("firstname", "vorname", "prenom", "givenname", "fname", "voornaam", "primeironome"),
    "last": ("lastname", "nachname", "nomdefamille", "apellido", "apellidos", "surname", "familyname", "lname",
             "cognome", "achternaam", "sobrenome", "nazwisko"),
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
_INNERMOST: Final = re.compile(r"\[([^\[\]]+)\](?:\[\])?$")
_KNOWN: Final = {word: ours for ours, words in _USUAL.items() for word in words}


def usual_field(sent: str) -> str | None:
    """What a field of that name usually is: a field of ours, `first`, `last`, `consent`; None when it is nobody's."""
    inner = _INNERMOST.search(sent)  # form_fields[email], contact[email][]
    plain = unicodedata.normalize("NFKD", inner[1] if inner else sent).lower().replace("ł", "l")
    return _KNOWN.get("".join(letter for letter in plain if letter.isalpha()))
