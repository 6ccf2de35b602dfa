"""What each column of a sheet is: by its name in several languages, and by its values."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from services.ingest.domain.forms.names import CAMPAIGN, first_in_turkish, usual_field
from services.ingest.domain.sheets import opt_outs
from services.ingest.domain.sheets.choices import Kind
from services.ingest.domain.sheets.column_names import NAMES
from services.ingest.domain.sheets.lines import LINE_PRICE, LINES

LEFT_OUT: Final = "-"
TRAIT: Final = "traits."
# Columns that a file of refused rows has besides the original ones.
REFUSED: Final = ("refused_line", "refused_reason")

WHO: Final = ("email", "phone", "user_id", "anonymous_id")
_PERSON: Final = ("name", "first_name", "last_name", "company", "role", "country", "locale", "time_zone", "size")
_CAMPAIGN: Final = tuple(f"campaign.{ours}" for ours in CAMPAIGN.values())
_TARGETS: Final[Mapping[Kind, frozenset[str]]] = {
    "leads": frozenset(
        {*WHO, *_PERSON, *_CAMPAIGN, "form", "page", "interest", "message", "estimated_value", "currency", "consent",
         "consent.wording", *opt_outs.SEVERAL, "occurred_at", "occurred_time", "message_id", "row_id"}
    ),
    "purchases": frozenset(
        {*WHO, "order_id", "order_name", "amount", "currency", "margin", "coupon", "occurred_at", "message_id",
         "occurred_time", "occurred_zone", *LINES,
         "status", "type", "refunded", "refunded_at", "adjusted", "refund_of", "item.sku", "item.name",
         "item.quantity", "item.price", "item.margin", "item.cost", "cost_of_goods"}
    ),
}  # fmt: skip

_FORM_NAMES: Final = {"first": "first_name", "last": "last_name"}
# The webhook of a shop knows an order by its `Id` (Shopify, whose `Name` is `#1001`), or by its payment (Stripe, whose
# `id` is `ch_…`). What else names it holds its rows together, and stands in where there is no id.
_ORDER_ELSE: Final = ("name", "id")
_SHOPIFY: Final = "lineitemname"
_OF_ORDERS: Final = frozenset(
    {_SHOPIFY, "createdutc", "createddateutc", "grandtotalpurchased", "settlementamount", "purchasedat"}
)
_OF_LINES: Final = frozenset({"itemprice", "shippingprice"})  # Amazon
_OF_WHAT: Final = ("person", "contact")

_EARNED: Final = frozenset({"margin", "cost_of_goods", "item.margin", "item.cost"})  # `Margin %` is no amount

_ADDRESS: Final = re.compile(r"[^@\s,;]+@[^@\s,;]+\.[^@\s,;]{2,}")
_PHONE: Final = re.compile(r"\+\d[\d\s()/.-]{6,24}", re.ASCII)
_BY_A_CLERK: Final = frozenset({"description", "details", "beschreibung"})  # a message in a form; a note in an export
_HALF: Final = 0.5  # of the values that are there
_MAP: Final = re.compile(
    r'\s*(?:(?P<ours>[a-z_]+(?:\.[^=,"]+)?)\s*=)?\s*(?:"(?P<quoted>[^"]*)"|(?P<bare>[^,"]*))\s*(?:,|$)'
)
_LETTERS: Final = str.maketrans({"\N{LATIN SMALL LETTER DOTLESS I}": "i", "ł": "l", "ø": "o", "đ": "d", "æ": "ae"})


class NotUnderstood(ValueError):  # noqa: N818 - reads as what happened
    """The user's map of columns does not fit the file; the message is for the user."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column and its meaning: a target, `traits.<name>`, or LEFT_OUT."""

    name: str
    taken_as: str


def plain_name(name: str) -> str:
    """Letters and digits only, without accents: `E-Mail-Adresse *` is `emailadresse`."""
    apart = unicodedata.normalize("NFKD", name.casefold().translate(_LETTERS))
    return "".join(letter for letter in apart if letter.isalnum() and letter.isascii())


def guess_kind(names: Sequence[str]) -> Kind:
    """Purchases have an order and an amount; everything else is leads."""
    plain = {plain_name(name) for name in names}
    known = NAMES["purchases"]
    named = not plain.isdisjoint(known["order_id"]) or bool(plain & _OF_ORDERS)
    priced = not plain.isdisjoint(known["amount"]) or plain >= _OF_LINES
    return "purchases" if named and priced else "leads"


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
        _price_lines(ranks)
    elif (first := first_in_turkish(names)) is not None and names.index(first) in ranks:
        ranks[names.index(first)] = ("first_name", 0)
    several = {index: told[name] for index, name in enumerate(names) if told.get(name) in opt_outs.SEVERAL}
    for index in sorted(free, key=lambda index: (ranks[index] or ("", 0))[1]):
        rank = ranks[index]
        target = None if rank is None or rank[0] not in _TARGETS[kind] else rank[0]
        if target == "consent" and "consent" in taken:
            target = "agreed_email"
        if target in opt_outs.SEVERAL and (target in opt_outs.NAMES or _answered(rows, index)):
            several[index] = target
        elif target is not None and target not in opt_outs.SEVERAL and not _denied(target, rows, index):
            taken.setdefault(target, index)
    _by_what_is_in_them(taken, [index for index in free if index not in several], rows)
    of = {index: target for target, index in taken.items()} | several
    return [Column(name, of.get(index) or _nobodys(kind, name, told)) for index, name in enumerate(names)]


def _by_what_is_in_them(taken: dict[str, int], free: Sequence[int], rows: Sequence[Sequence[str]]) -> None:
    """Take a column full of addresses, or of numbers, where no name says which it is."""
    for target, pattern in (("email", _ADDRESS), ("phone", _PHONE)):
        unnamed = [index for index in free if index not in taken.values()] if target not in taken else []
        best = max(unnamed, key=lambda index: _share(pattern, rows, index), default=None)
        if best is not None and _share(pattern, rows, best) > _HALF:
            taken[target] = best


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
        return None if "%" in name and found[0] in _EARNED else found
    said = opt_outs.column_named(plain) if kind == "leads" else None
    if said is not None:
        return said, 1
    usual = None if plain in _BY_A_CLERK else usual_field(plain)
    asked = opt_outs.asked_for(name) if kind == "leads" and usual is None else usual
    if asked is not None:
        return _FORM_NAMES.get(asked, asked), 50
    of_what, _, rest = name.partition(" - ")  # Pipedrive: `Person - Email - Work`
    return _by_name(kind, rest) if plain_name(of_what) in _OF_WHAT else None


def looks_like_a_row(names: Sequence[str]) -> bool:
    """Whether what should be the names of the columns is somebody's address already."""
    return any(_ADDRESS.fullmatch(name.strip()) for name in names)


def _name_orders(names: Sequence[str], ranks: dict[int, tuple[str, int] | None]) -> None:
    known = any(rank is not None and rank[0] == "order_id" for rank in ranks.values())
    plain = [plain_name(name) for name in names]
    shopify = _SHOPIFY in plain
    found = [plain.index(name) for name in _ORDER_ELSE if name in plain and (name != "name" or shopify)]
    found = [index for index in found if index in ranks]
    if found and known:
        ranks[found[0]] = ("order_name", 0)
    elif found:
        ranks[found[0]], ranks[found[-1]] = ("order_name", 0), ("order_id", 0)


def _price_lines(ranks: dict[int, tuple[str, int] | None]) -> None:
    """Take `item-price` for what a line cost only where nothing says what the order did, and shipping is beside it."""
    taken = {rank[0] for rank in ranks.values() if rank is not None}
    if "amount" in taken or "line.shipping" not in taken:
        for index, rank in ranks.items():
            if rank is not None and rank[0] in LINES:
                ranks[index] = ("item.price", rank[1]) if rank[0] == LINE_PRICE else None


def _answered(rows: Sequence[Sequence[str]], index: int) -> bool:
    """Whether all that is in the column are answers: counts of mails, names and days are none."""
    return all(opt_outs.yes_or_no(value) is not None for value in _values(rows, index))


def _denied(target: str, rows: Sequence[Sequence[str]], index: int) -> bool:
    """Whether what is in the column cannot be what its name says: an `Email` that holds yes and no."""
    values = _values(rows, index) if target == "email" else []
    return bool(values) and sum(_ADDRESS.search(value) is not None for value in values) < _HALF * len(values)


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
    """Every meaning that a column can have, beside `traits.…`."""
    return sorted(_TARGETS[kind])


_KNOWN: Final[Mapping[Kind, Mapping[str, tuple[str, int]]]] = {
    kind: {
        **{plain_name(theirs): (f"campaign.{ours}", 1) for theirs, ours in CAMPAIGN.items()},
        **{word: (target, rank + 1) for target, words in names.items() for rank, word in enumerate(words)},
    }
    for kind, names in NAMES.items()
}
_OWN: Final[Mapping[Kind, Mapping[str, str]]] = {
    kind: {target: target for target in of if target != "row_id"} for kind, of in _TARGETS.items()
}
