"""Which column of a sheet is what: by its name in several languages, and by what is in it."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from services.ingest.domain.forms.names import CAMPAIGN, usual_field
from services.ingest.domain.sheets import opt_outs

Kind = Literal["leads", "purchases"]
LEFT_OUT: Final = "-"
TRAIT: Final = "traits."
# Columns that a file of refused rows has besides the original ones.
REFUSED: Final = ("refused_line", "refused_reason")

_WHO: Final = ("email", "phone", "user_id", "anonymous_id")
_PERSON: Final = ("name", "first_name", "last_name", "company", "role", "country", "locale", "time_zone", "size")
_CAMPAIGN: Final = tuple(f"campaign.{ours}" for ours in CAMPAIGN.values())
_TARGETS: Final[Mapping[Kind, frozenset[str]]] = {
    "leads": frozenset(
        {*_WHO, *_PERSON, *_CAMPAIGN, "form", "page", "interest", "message", "estimated_value", "currency", "consent",
         "consent.wording", opt_outs.OPTED_OUT, opt_outs.STATUS, "occurred_at", "message_id", "row_id"}
    ),
    "purchases": frozenset(
        {*_WHO, "order_id", "amount", "currency", "margin", "coupon", "occurred_at", "message_id", "status",
         "item.sku", "item.name", "item.quantity", "item.price"}
    ),
}  # fmt: skip

# What exports call it, beside the usual names of form fields; the better name first. Letters and digits only.
_WHO_ELSE: Final[Mapping[str, tuple[str, ...]]] = {
    "email": ("email", "customeremail", "billingemail", "emailbilling", "contactemail", "emailaddress", "emailid",
              "fromemailaddress", "emailwork", "kundenemail", "mailadresse"),
    "phone": ("phone", "phonenumber", "mobilephone", "mobilephonenumber", "workphone", "businessphone", "phonework",
              "phonemobile", "billingphone", "phonebilling", "defaultaddressphone", "mobilnummer", "rufnummer",
              "telefongeschaftlich", "telefonmobil"),
    "user_id": ("userid", "customerid", "kundennummer", "customeruserid", "kundenid"),
    "anonymous_id": ("anonymousid", "deviceid"),
    "message_id": ("messageid",),
}  # fmt: skip
_NAMES: Final[Mapping[Kind, Mapping[str, tuple[str, ...]]]] = {
    "leads": {
        **_WHO_ELSE,
        "name": ("contactperson", "leadcontactperson", "dealcontactperson", "contactname", "whatsyourname",
                 "ansprechpartner", "kontaktperson"),
        "company": ("companyaccount", "account", "accountname", "companyorganization", "associatedcompany",
                    "defaultaddresscompany"),
        "role": ("role", "jobtitle", "title", "position", "funktion", "rolle", "poste", "cargo"),
        "size": ("size", "employees", "numberofemployees", "noofemployees", "companysize", "mitarbeiter",
                 "mitarbeiterzahl", "anzahlmitarbeiter", "effectif"),
        "locale": ("locale", "language", "preferredlanguage", "sprache", "langue", "idioma"),
        "time_zone": ("timezone", "zeitzone"),
        "country": ("countryregion", "mailingcountry", "countrycode", "defaultaddresscountrycode", "cc"),
        "campaign.source": ("source", "leadsource", "originalsource", "originalsourcetype", "quelle", "herkunft"),
        "campaign.name": ("campaign", "campaignname", "kampagne"),
        "form": ("form", "formname", "formular"),
        "estimated_value": ("estimatedvalue", "estimatedamount", "dealvalue", "dealamount", "leadvalue",
                            "potentialvalue", "expectedrevenue", "opportunityamount", "auftragswert"),
        "currency": ("currency", "currencyisocode", "dealcurrency", "leadcurrencyofvalue", "dealcurrencyofvalue",
                     "estimatedvaluecurrency", "wahrung", "devise",
                     "moneda", "valuta"),
        **opt_outs.NAMES,
        "consent": ("emailoptin", "acceptsemailmarketing", "acceptsmarketing", "emailmarketingconsent",
                    "marketingstatus"),
        "consent.wording": ("consentwording", "consenttext"),
        "occurred_at": ("occurredat", "capturedat", "becamealeaddate", "createdate", "createddate", "createdat",
                        "datecreated", "createdtime", "createdutc", "createddateutc", "confirmtime", "optintime",
                        "submittedat", "submissiondate", "submitdateutc", "submitdate", "signupdate", "timestamp",
                        "leadleadcreated", "dealdealcreated", "personcreated", "date", "created", "createtime",
                        "connectedon", "datum", "erstelltam", "erstellt", "angelegtam", "angelegt", "eingangsdatum",
                        "erstelldatum", "erstellungsdatum", "datedecreation", "creele", "dateajout", "fechadecreacion",
                        "creadoel", "fechadealta", "datacreazione", "datadicreazione", "creatoil", "aanmaakdatum",
                        "aangemaaktop", "datadecriacao", "criadoem", "datautworzenia", "utworzono", "datadodania",
                        "dateadded", "addedat", "addedtime", "registered", "registeredat", "registrationdate",
                        "subscribedate", "subscribedat", "dateofsubscription", "dateofentry", "fecha", "data"),
        "row_id": ("leadid", "submissionid", "responseid", "responsetoken", "recordid", "leid", "euid", "contactid",
                   "id"),
    },
    "purchases": {
        **_WHO_ELSE,
        "order_id": ("orderid", "ordernumber", "orderno", "bestellnummer", "auftragsnummer", "bestellid",
                     "numerodecommande", "numerodepedido", "invoicenumber", "rechnungsnummer", "transactionid",
                     "paymentid"),
        "amount": ("amount", "total", "ordertotal", "ordertotalamount", "totalpaid", "grandtotal", "totalamount",
                   "revenue", "gross", "brutto", "gesamtbetrag", "gesamtsumme", "betrag", "summe", "umsatz",
                   "montant", "importe", "importo", "bedrag", "kwota", "valor"),
        "currency": ("currency", "ordercurrency", "currencycode", "wahrung", "devise", "moneda", "valuta"),
        "margin": ("margin", "profit", "marge", "deckungsbeitrag"),
        "coupon": ("coupon", "couponcode", "coupons", "discountcode", "gutschein", "gutscheincode", "promocode"),
        "occurred_at": ("occurredat", "paidat", "datepaid", "paiddate", "createdutc", "createddateutc", "orderdate",
                        "orderedat", "createdat", "created", "date", "purchasedate", "timestamp", "bestelldatum",
                        "kaufdatum", "datum", "fecha", "data"),
        "status": ("financialstatus", "paymentstatus", "orderstatus", "status", "zahlungsstatus", "bestellstatus"),
        "item.sku": ("lineitemsku", "itemsku", "sku", "productsku", "artikelnummer"),
        "item.name": ("lineitemname", "itemname", "productname", "product", "artikel", "artikelname"),
        "item.quantity": ("lineitemquantity", "itemquantity", "quantity", "qty", "menge", "anzahl"),
        "item.price": ("lineitemprice", "itemprice", "itemcost", "unitprice", "einzelpreis"),
    },
}  # fmt: skip
_FORM_NAMES: Final = {"first": "first_name", "last": "last_name"}
# Orders are named by these only where nothing else names them: Shopify's `Name` is `#1001`, Stripe's `id` is `ch_…`.
_ORDER_ELSE: Final = ("name", "id")
_SHOPIFY: Final = "lineitemname"
_OF_WHAT: Final = ("person", "contact")

_ADDRESS: Final = re.compile(r"[^@\s,;]+@[^@\s,;]+\.[^@\s,;]{2,}")
_PHONE: Final = re.compile(r"\+\d[\d\s()/.-]{6,24}", re.ASCII)
_HALF: Final = 0.5  # of the values that are there
_MAP: Final = re.compile(
    r'\s*(?:(?P<ours>[a-z_]+(?:\.[^=,"]+)?)\s*=)?\s*(?:"(?P<quoted>[^"]*)"|(?P<bare>[^,"]*))\s*(?:,|$)'
)
_LETTERS: Final = str.maketrans({"ł": "l", "ø": "o", "đ": "d", "æ": "ae"})


class NotUnderstood(ValueError):  # noqa: N818 - reads as what happened
    """What was said about the columns does not fit the file; the message is for the person who said it."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column, and what it is taken as: a target, `traits.<name>`, or LEFT_OUT."""

    name: str
    taken_as: str


def plain_name(name: str) -> str:
    """Letters and digits only, without accents: `E-Mail-Adresse *` is `emailadresse`."""
    apart = unicodedata.normalize("NFKD", name.casefold().translate(_LETTERS))
    return "".join(letter for letter in apart if letter.isalnum() and letter.isascii())


def guess_kind(names: Sequence[str]) -> Kind:
    """Purchases have an order and an amount; everything else is leads."""
    plain = {plain_name(name) for name in names}
    known = _NAMES["purchases"]
    named = not plain.isdisjoint(known["order_id"]) or bool(plain & {_SHOPIFY, "createdutc", "createddateutc"})
    return "purchases" if named and not plain.isdisjoint(known["amount"]) else "leads"


def guess_columns(
    kind: Kind,
    names: Sequence[str],
    rows: Sequence[Sequence[str]],
    told: Mapping[str, str] | None = None,
) -> list[Column]:
    """What each column is. `rows`: the first ones; `told`: column → what the user says it is, which goes before."""
    told = told or {}
    taken: dict[str, int] = {}  # target → column
    for index, name in enumerate(names):
        if name in told and told[name] != LEFT_OUT:
            taken[told[name]] = index
    free = [index for index, name in enumerate(names) if name not in told and name not in REFUSED]
    ranks = {index: _by_name(kind, names[index]) for index in free}
    if kind == "purchases":
        _name_orders(names, ranks)
    several = {index: told[name] for index, name in enumerate(names) if told.get(name) in opt_outs.NAMES}
    for index in sorted(free, key=lambda index: (ranks[index] or ("", 0))[1]):
        rank = ranks[index]
        if rank is not None and kind == "leads" and rank[0] in opt_outs.NAMES:
            several[index] = rank[0]
        elif rank is not None and rank[0] in _TARGETS[kind] and not _denied(rank[0], rows, index):
            taken.setdefault(rank[0], index)
    for target, pattern in (("email", _ADDRESS), ("phone", _PHONE)):
        if target not in taken:
            unnamed = [index for index in free if index not in taken.values() and index not in several]
            best = max(unnamed, key=lambda index: _share(pattern, rows, index), default=None)
            if best is not None and _share(pattern, rows, best) > _HALF:
                taken[target] = best
    of = {index: target for target, index in taken.items()} | several
    return [Column(name, of.get(index) or _nobodys(kind, name, told)) for index, name in enumerate(names)]


def _by_name(kind: Kind, name: str) -> tuple[str, int] | None:
    """The target that the name says, and how good a name it is (0 is the best)."""
    plain = plain_name(name)
    if not plain:
        return None
    ours = _OWN[kind].get(name.strip().lower())
    if ours is not None:
        return ours, 0
    found = _KNOWN[kind].get(plain)
    if found is not None:
        return found
    usual = usual_field(plain)
    if usual is not None:
        return _FORM_NAMES.get(usual, usual), 50
    of_what, _, rest = name.partition(" - ")  # Pipedrive: `Person - Email - Work`
    return _by_name(kind, rest) if plain_name(of_what) in _OF_WHAT else None


def looks_like_a_row(names: Sequence[str]) -> bool:
    """Whether what should be the names of the columns is somebody's address already."""
    return any(_ADDRESS.fullmatch(name.strip()) for name in names)


def _name_orders(names: Sequence[str], ranks: dict[int, tuple[str, int] | None]) -> None:
    if any(rank is not None and rank[0] == "order_id" for rank in ranks.values()):
        return
    plain = [plain_name(name) for name in names]
    for name in _ORDER_ELSE:
        if name in plain and (name != "name" or _SHOPIFY in plain):
            index = plain.index(name)
            if index in ranks:
                ranks[index] = ("order_id", 0)
            return


def _denied(target: str, rows: Sequence[Sequence[str]], index: int) -> bool:
    """Whether what is in the column cannot be what its name says: an `Email` that holds yes and no."""
    return target == "email" and any(_values(rows, index)) and _share(_ADDRESS, rows, index) < _HALF


def _share(pattern: re.Pattern[str], rows: Sequence[Sequence[str]], index: int) -> float:
    values = _values(rows, index)
    return sum(pattern.fullmatch(value) is not None for value in values) / len(values) if values else 0.0


def _values(rows: Sequence[Sequence[str]], index: int) -> list[str]:
    return [value for row in rows if index < len(row) and (value := row[index].strip())]


def _nobodys(kind: Kind, name: str, told: Mapping[str, str]) -> str:
    if kind == "purchases" or name in REFUSED or not name.strip() or told.get(name) == LEFT_OUT:
        return LEFT_OUT
    return f"{TRAIT}{name.strip()[:100]}"


def read_map(texts: Sequence[str], kind: Kind, names: Sequence[str]) -> dict[str, str]:
    """Column → target of `email=Kontakt,amount="Total paid"` and `-Column`. Raises NotUnderstood."""
    told: dict[str, str] = {}
    for text in texts:
        at = 0
        while at < len(text):
            match = _MAP.match(text, at)
            if match is None or match.end() == at:
                raise NotUnderstood(f'--map: write email=Column or amount="Column, paid", and not {text[at:]!r}')
            at = match.end()
            said = (match["quoted"] if match["quoted"] is not None else match["bare"]).strip()
            ours, column = match["ours"], said
            if ours is None:
                if not said.startswith("-"):
                    raise NotUnderstood(f"--map: {said!r} is neither field=Column nor -Column")
                ours, column = LEFT_OUT, said[1:].strip()
            elif ours not in _TARGETS[kind] and not (kind == "leads" and ours.startswith(TRAIT)):
                raise NotUnderstood(f"--map: {ours} is no field of {kind}; there are {', '.join(targets(kind))}")
            found = [name for name in names if name.strip() == column]
            if not found:
                raise NotUnderstood(f"--map: there is no column {column!r}; there are {', '.join(names)}")
            told[found[0]] = ours
    return told


def targets(kind: Kind) -> list[str]:
    """All that a column can be taken as, beside `traits.…`."""
    return sorted(_TARGETS[kind])


_KNOWN: Final[Mapping[Kind, Mapping[str, tuple[str, int]]]] = {
    kind: {
        **{plain_name(theirs): (f"campaign.{ours}", 1) for theirs, ours in CAMPAIGN.items()},
        **{word: (target, rank + 1) for target, words in names.items() for rank, word in enumerate(words)},
    }
    for kind, names in _NAMES.items()
}
_OWN: Final[Mapping[Kind, Mapping[str, str]]] = {
    kind: {target: target for target in of if target != "row_id"} for kind, of in _TARGETS.items()
}
