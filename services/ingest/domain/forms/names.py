"""The names that forms give to their fields, and ours."""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
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
              "direcciondecorreo", "direccioncorreo", "postaelettronica", "pocztaelektroniczna", "epost", "epostadress",
              "epostadresse", "sahkoposti", "sahkopostiosoite", "emailcim", "eposta", "почта", "электроннаяпочта",
              "メールアドレス", "メール", "邮箱", "电子邮件", "이메일"),
    "phone": ("phone", "phonenumber", "tel", "telephone", "telefon", "telefonnummer", "mobile", "handy", "telefono",
              "telephonenumber", "yourphone", "telefoon", "telefone", "cellulare", "numertelefonu", "mobilephone",
              "rufnummer", "mobil", "mobilnummer", "portable", "numerodetelephone", "movil", "celular",
              "telefoonnummer", "telemovel", "contactphone", "sms", "smsnumber", "whatsapp", "telefonszam", "puhelin",
              "puhelinnumero", "τηλεφωνο", "телефон", "電話番号", "手机", "电话", "전화번호"),
    "name": ("name", "fullname", "yourname", "nom", "nombre", "nome", "naam", "vollername", "nomcomplet",
             "nombrecompleto", "nomecompleto", "imie", "contactname", "vorundnachname", "firstandlastname",
             "prenometnom", "nombreyapellidos", "nomeecognome", "voorenachternaam", "imieinazwisko", "volledigenaam",
             "nometprenom", "nomprenom", "prenomnom", "namevorname", "vornamename", "vornamenachname",
             "nachnamevorname",
             "nombreyapellido", "nombreapellidos", "apellidosynombre", "cognomeenome", "cognomenome", "nomecognome",
             "nomeesobrenome", "nomesobrenome", "nazwiskoiimie", "imienazwisko", "naamenvoornaam", "voornaamachternaam",
             "namesurname", "nameandsurname", "firstlastname", "firstandlast", "namn", "navn", "nimi", "fulltnavn",
             "fullstandigtnamn", "nev", "teljesnev", "adsoyad", "adisoyadi", "adinizsoyadiniz",
             "isimsoyisim", "ονοματεπωνυμο", "имяифамилия",
             "фио",
             "お名前", "氏名", "姓名", "이름", "성명",
             "wieheißtdu", "wieheißensie", "heißtdu", "heißensie", "commentvousappelezvous", "commenttappellestu",
             "comotellamas", "comosellama", "cometichiami", "comesichiama", "hoeheetje", "hoeheetu", "comovocesechama",
             "comosechama", "jaksienazywasz", "jakmasznaimie"),
    "first": ("firstname", "vorname", "prenom", "givenname", "fname", "voornaam", "primeironome", "forename", "rufname",
              "namefirst", "firstnames", "givennames", "forenames", "prenoms", "nombredepila", "primernombre",
              "nomeproprio", "fornamn", "fornavn", "etunimi", "jmeno", "krstnemeno", "keresztnev", "utonev", "prenume",
              "adiniz", "ονομα", "имя", "імя", "名", "名字"),
    "middle": ("middlename", "middleinitial", "tussenvoegsel", "segundonombre", "zweitervorname", "deuxiemeprenom",
               "secondonome", "nomedomeio", "drugieimie"),
    "last": ("lastname", "nachname", "nomdefamille", "apellido", "apellidos", "surname", "familyname", "lname",
             "cognome", "achternaam", "sobrenome", "nazwisko", "familienname", "zuname", "familienaam", "apelido",
             "namelast", "apelidos", "primerapellido", "apellidopaterno", "nomdusage", "efternamn", "efternavn",
             "etternavn", "sukunimi", "prijmeni", "priezvisko", "vezeteknev", "csaladnev", "nume", "numedefamilie",
             "soyad", "soyadi", "soyadiniz", "soyisim", "επωνυμο", "фамилия", "прізвище", "姓", "성"),
    "last2": ("segundoapellido", "apellidomaterno", "secondlastname"),
    "company": ("company", "companyname", "organization", "organisation", "firma", "unternehmen", "entreprise",
                "societe", "empresa", "azienda", "bedrijf", "yourcompany", "firmenname", "bedrijfsnaam", "organisatie"),
    "message": ("message", "yourmessage", "comments", "comment", "nachricht", "mensaje", "messaggio", "bericht",
                "mensagem", "anfrage", "wiadomosc", "body", "enquiry", "inquiry", "ihrenachricht", "votremessage",
                "kommentar", "commentaire", "comentario", "commenti", "opmerkingen", "description", "details",
                "projectdetails", "textarea", "multiline", "questions", "yourquestion", "howcanwehelp",
                "howcanwehelpyou",
                "wiekönnenwirhelfen", "beschreibung", "anliegen", "ihranliegen", "frage", "demande", "consulta",
                "richiesta", "vraag", "duvida", "trescwiadomosci", "tresc", "meddelande", "besked", "melding", "viesti",
                "zprava", "sprava", "uzenet", "mesaj", "mesajiniz", "μηνυμα", "сообщение", "повідомлення",
                "comentarios",
                "お問い合わせ内容", "メッセージ", "留言", "메시지"),
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
# Where the family's name goes first: Hungarian, and (see domain/names.py) what is written in the scripts of East Asia.
_FAMILY_FIRST: Final = frozenset({"vezeteknev", "csaladnev"})

# Words around a name that do not change it: of courtesy, and for required fields;
_COURTESY: Final = frozenset(
    {
        "your", "my", "our", "the", "please", "enter", "required", "requis", "optional", "mandatory", "no",
        "label", "valid", "field", "address", "ihre", "ihr", "deine", "dein", "bitte", "pflichtfeld",
        "erforderlich", "eingeben", "adresse", "votre", "vos", "ton", "ta", "obligatoire", "champ", "veuillez",
        "saisir", "su", "tu", "obligatorio", "requerido", "campo", "direccion", "de", "il", "la", "le", "tuo",
        "tua", "suo", "sua", "obbligatorio", "indirizzo", "uw", "je", "jouw", "verplicht", "veld", "adres", "o",
        "a", "seu", "teu", "endereco", "obrigatorio", "twoj", "twoja", "twoje", "swoj", "swoja", "pole",
        "wymagane", "wpisz", "podaj", "facultatif", "freiwillig", "opcional", "facoltativo", "optioneel", "opcjonalnie",
        "best", "beste", "us", "uns", "an",
        # of questions: what's your name, wie lautet Ihr Name
        "what", "whats", "is", "s", "and", "tell", "wie", "lautet", "ist", "quel", "quelle", "est", "cual", "es",
        "qual", "e", "wat", "jaki", "jakie", "jest", "can", "you", "we", "may", "have", "to",
    }
)  # fmt: skip
# and of form builders, who number and prefix their fields: q3_email, et_pb_contact_email_0, mauticform[f_email].
_BUILDERS: Final = frozenset(
    {
        "form", "forms", "field", "fields", "input", "inputs", "data", "item", "items", "value", "values",
        "contact", "lead", "customer", "client", "user", "billing", "q", "f", "nf", "hs", "sqf", "wpforms",
        "mauticform", "et", "pb", "fld", "text", "txt", "full", "main", "primary", "mf", "listing", "answer", "answers",
        "person", "profile", "column", "question", "response",
    }
)  # fmt: skip
# A form's own `form_name` and `form_page` are about the form; these are about a person, however they are prefixed.
_ABOUT_A_PERSON: Final = frozenset({"email", "phone", "first", "last", "company", "message"})
_NAMED_THEMSELVES: Final = frozenset({"form", "forms", "field", "input", "item", "data", "user", "value"})
# What has a name of its own: location[name] is nobody's.
_THINGS: Final = frozenset(
    {
        "location", "product", "event", "plan", "page", "funnel", "campaign", "store", "shop", "course", "owner",
        "agent", "assignee", "workflow", "calendar", "source", "file", "team", "office", "branch", "project", "service",
        "website", "site", "list", "tag", "segment", "pipeline", "stage", "friend", "referrer", "recipient",
    }
)  # fmt: skip
_FIRMS: Final = frozenset({"company", "organization", "organisation", "account", "business", "employer", "firma"})
# Nested as brackets, paths (0-1/email), ASP.NET's controls (ctl00$main$txtEmail), dots (person.name) and Wix' keys.
_BRACKETS: Final = re.compile(r"[\[\]$:]+|(?<=\w)[/.](?=\w)")
_OF_A_MACHINE: Final = re.compile(r"(?<=[^\W_])_[0-9a-f]{4,}$")  # field:first_name_8f3b
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
_LETTERS: Final = str.maketrans({"ł": "l", "\N{LATIN SMALL LETTER DOTLESS I}": "i"})
# A first name in Turkish, where a surname in it stands beside; alone, `ad` is rather an advertisement.
_TURKISH: Final = frozenset({"ad", "adi", "isim"})
_TURKISH_LAST: Final = frozenset({"soyad", "soyadi", "soyadiniz", "soyisim"})
_LONGEST: Final = 200  # characters of a name that is looked at
_LONGEST_TEXT: Final = 500  # of any text


@lru_cache(maxsize=4096)
def usual_field(sent: str) -> str | None:
    """What a field of that name usually is: a field of ours, `first`, `last`, `consent`; None when unknown.

    Of a nested name the innermost part that says something decides: form_fields[email], items[Email][value].
    """
    parts = [_OF_A_MACHINE.sub("", part) for part in _BRACKETS.split(sent[:_LONGEST]) if part]
    for place, part in reversed(list(enumerate(parts))):
        words = words_in(part)
        around = words_in(parts[place - 1])[-1:] if place else []
        if (ours := _KNOWN.get("".join(words))) is not None:
            return _of_what(ours, around)
        bare = [word for word in words if word not in _COURTESY]
        if (ours := _KNOWN.get("".join(bare))) is not None:
            return _of_what(ours, around)
        bare = [word for word in bare if word not in _BUILDERS]
        if len(parts) > 1 and _OF_A_NUMBER.issuperset(bare):  # phone[number]; name[full]
            continue
        ours = _KNOWN.get("".join(bare)) or _KNOWN.get("".join(word for word in bare if len(word) > 1))  # g12-email
        if ours in _ABOUT_A_PERSON or (ours == "name" and _NAMED_THEMSELVES.isdisjoint(words)):
            return ours
        if (len(parts) > 1 or len(words) > 1) and len(bare) == 1 and bare[0] in _HALVES:
            return _HALVES[bare[0]]
        if bare:  # it says something unknown
            return None
    return None


def first_in_turkish(sent: Iterable[str]) -> str | None:
    """Which of these fields is a first name because a Turkish surname stands beside it; None when none is."""
    words = {each: "".join(words_in(_BRACKETS.split(each[:_LONGEST].rstrip("]"))[-1])) for each in sent}
    if _TURKISH_LAST.isdisjoint(words.values()):
        return None
    return next((each for each, word in words.items() if word in _TURKISH), None)


def _of_what(ours: str, around: Sequence[str]) -> str | None:
    """What a name is by what stands around it: company[name] is the company's."""
    if ours != "name" or not around or _THINGS.isdisjoint(around):
        return "company" if ours == "name" and not _FIRMS.isdisjoint(around) else ours
    return None


def family_first(sent: str) -> bool:
    """Whether a field of this name is of a language in which the family's name stands first."""
    return not _FAMILY_FIRST.isdisjoint(words_in(sent[:_LONGEST]))


def before_a_number(sent: str, number: str) -> str | None:
    """What a field is beside that of a number: `area` or `abroad` (the country's code, or the country); None: neither.

    It stands in the same bracket (phone[area] beside phone[number]), or is called after it (phone_area).
    """
    above, _, inner = sent[:_LONGEST].rstrip("]").rpartition("[")
    around, _, _ = number[:_LONGEST].rstrip("]").rpartition("[")
    words = words_in(inner)
    if above != around or sent == number:
        return None
    if not above:  # a top-level country is the person's
        words = words[1:] if words[:1] and _KNOWN.get(words[0]) == "phone" else words if len(words) > 1 else []
    return _BEFORE_IT.get("".join(words))


def words_in(text: str) -> list[str]:
    """Its words in lower case without accents; digits and everything else separate them.

    Cut before and behind: some letters come apart into eighteen, and no word of ours stands that far.
    """
    apart = unicodedata.normalize("NFKD", _HUMP.sub(" ", text[:_LONGEST_TEXT]))
    plain = apart[: 3 * _LONGEST_TEXT].lower().translate(_LETTERS)
    return _WORD.findall("".join(letter for letter in plain if not unicodedata.combining(letter)))


_KNOWN: Final = {"".join(words_in(word)): ours for ours, words in _USUAL.items() for word in words}
