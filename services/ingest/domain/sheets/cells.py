"""The cells of a sheet as people fill them in: dates of several countries, amounts with commas, yes and no."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Final

from services.ingest.domain.sheets.choices import DateOrder, Decimals
from shared.durations import DAY_S
from shared.money import is_currency

YES: Final = frozenset({"1", "on", "yes", "true", "ja", "oui", "si", "sí", "sim", "tak", "y", "t", "x", "subscribed"})
NO: Final = frozenset({"0", "off", "no", "false", "nein", "non", "não", "nao", "nie", "nee", "n", "f", "unsubscribed",
                       "no consent"})  # fmt: skip

_DATE: Final = re.compile(
    r"(?P<a>\d{1,4})(?P<sep>[./-])(?P<b>\d{1,2})(?P=sep)(?P<c>\d{1,4})"
    r"(?:[T,\s]\s*(?P<hour>\d{1,2}):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:[.,]\d+)?)?\s*(?P<half>[AaPp])?\.?[Mm]?\.?)?"
    r"\s*(?P<zone>Z|UTC|GMT|[+-]\d\d:?\d\d)?",
    re.ASCII,
)
# 31 Jan 2026, 31. Januar 2026, January 31st, 2026 at …
_NAMED: Final = re.compile(
    r"(?:(?P<day>\d{1,2})(?:st|nd|rd|th|er|º|°)?[.\s-]+(?:de\s+)?(?P<month>[^\W\d_]+)"
    r"|(?P<word>[^\W\d_]+)\.?[\s-]+(?P<nth>\d{1,2})(?:st|nd|rd|th)?)"
    r"[.,\s-]+(?:de[l]?\s+)?(?P<year>\d{4}|\d\d(?=$|[\s,]))(?:\s*r\.)?"
    r"(?:,?\s+(?:at|um|à|a las|alle|om|às|o)(?=\s))?(?P<rest>.*)",
    re.IGNORECASE,
)
_MONTHS: Final = {
    name: number
    for names in ("january february march april may june july august september october november december",
                  "januar februar märz april mai juni juli august september oktober november dezember",
                  "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
                  "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
                  "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre",
                  "januari februari maart april mei juni juli augustus september oktober november december",
                  "janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro",
                  "styczeń luty marzec kwiecień maj czerwiec lipiec sierpień wrzesień październik listopad grudzień",
                  "stycznia lutego marca kwietnia maja czerwca lipca sierpnia września października listopada grudnia")
    for number, month in enumerate(names.split(), 1)
    for name in (month, month[:3], month[:4])
    if name != "jui"  # juin or juillet
}  # fmt: skip
_EPOCH: Final = re.compile(r"\d{10}(\d{3})?", re.ASCII)
_NOON: Final = 12
_LONG_YEAR: Final = 4
# Excel's days since 1899-12-30, from 1954 to 2119: what a date is when its cell was saved as a number.
_SERIAL: Final = re.compile(r"[2-7]\d{4}(?:[.,]\d{1,15})?", re.ASCII)
_SERIAL_FROM: Final = datetime(1899, 12, 30)  # noqa: DTZ001 - a day of the sheet's zone
_LAST_SHORT_YEAR: Final = 29  # as spreadsheets read it: 29 is 2029, and 30 is 1930
_LONGEST_AMOUNT: Final = 60  # characters
_CURRENCY: Final = r"(?:[^\W\d_]{1,5}[.$]?|[^\w\s.,'()+-]{1,2})"
_AMOUNT: Final = re.compile(
    rf"(?P<minus>-?) ?(?P<before>{_CURRENCY})? ?(?P<inner>-?) ?(?P<number>\d[\d.,' ]*?)(?:[.,] ?-{{1,2}})?"
    rf" ?(?P<behind>-?) ?(?P<after>{_CURRENCY})? ?(?P<last>-?)"
)
_SPACED: Final = re.compile(r"\d{1,3}(?:[' ]\d{3})+(?:[.,]\d*)?")
_WRITTEN_AS: Final = str.maketrans(
    {**dict.fromkeys("\u2212\u2013\u2014", "-"), **dict.fromkeys("\u2019\u2018`\u00b4", "'"),
     **dict.fromkeys("\u00a0\u202f\u2009\t", " "), **dict.fromkeys("\u200b\u200e\u200f\u061c")}
)  # fmt: skip
# Of currencies; without a word among these, 5k and 10 Mio would be 5 and 10.
_WORDS: Final = frozenset(
    """
    euro euros fr sfr kr zł zl kč ft lei tl rs r us ca au nz hk nt sg mx rm rp cfa fcfa dh da din den km kn ksh tsh ush
    tk um fbu fc fdj mk vt ws bs gs dt lv
    """.split()  # noqa: SIM905 - a list of quoted texts reads worse
)
_CODE: Final = re.compile(r"(?<![A-Za-z])[A-Z]{3}(?![A-Za-z])")
# Of the other symbols, several countries have one.
SYMBOLS: Final = {
    "€": "EUR", "£": "GBP", "zł": "PLN", "Kč": "CZK", "₹": "INR", "₺": "TRY", "₪": "ILS", "₴": "UAH", "₽": "RUB",
    "₫": "VND", "₦": "NGN", "₱": "PHP", "R$": "BRL",
}  # fmt: skip
_LIKE_A_FORMULA: Final = (
    "=",
    "+",
    "-",
    "@",
    "\t",
    "\r",
    "\n",
    "\uff1d",
    "\uff0b",
    "\uff0d",
    "\uff20",
)  # also full width


@lru_cache(maxsize=4096)
def moment(text: str, order: DateOrder | None, zone: tzinfo) -> datetime | None:
    """The moment, in UTC, that a cell names; None when it names none. `zone` is for those without their own.

    With `order` None, a date such as 3/4/2026, which may be either, is none.
    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return _as_people_write(text.strip(), order, zone)
    if "-" not in text[:5] and text[8:9] != "T":  # eight digits without a time are rather a number
        return None
    return _utc(found, zone)


def _as_people_write(text: str, order: DateOrder | None, zone: tzinfo) -> datetime | None:
    if text.isascii() and text[:5].isdecimal():
        return _counted(text, zone)
    match = _DATE.fullmatch(text) or _DATE.fullmatch(_numbered(text))
    if match is None:
        return None
    date = _date(match, order)
    if date is None:
        return None
    hour = int(match["hour"] or 0)
    if match["half"]:
        if not 1 <= hour <= _NOON:
            return None
        hour = hour % _NOON + (_NOON if match["half"] in "Pp" else 0)
    try:
        found = datetime(*date, hour, int(match["minute"] or 0), int(match["second"] or 0))  # noqa: DTZ001 - see _utc
        if match["zone"]:
            offset = match["zone"] if match["zone"][0] in "+-" else "+00:00"
            found = datetime.fromisoformat(f"{found.isoformat()}{offset}")
    except ValueError:
        return None
    return _utc(found, zone)


def _counted(text: str, zone: tzinfo) -> datetime | None:
    """The moment that a program counts in days (Excel) or seconds (Unix)."""
    if _EPOCH.fullmatch(text):
        return datetime.fromtimestamp(int(text[:10]), UTC)
    if _SERIAL.fullmatch(text):
        seconds = round(float(text.replace(",", ".")) * DAY_S)
        return _utc(_SERIAL_FROM + timedelta(seconds=seconds), zone)
    return None


def _numbered(text: str) -> str:
    """With the month as a number, where it is a word."""
    match = _NAMED.fullmatch(text)
    month = _MONTHS.get((match["month"] or match["word"]).lower()) if match is not None else None
    if match is None or month is None:
        return text
    year = match["year"] if len(match["year"]) == _LONG_YEAR else str(_whole_year(int(match["year"])))
    return f"{year}-{month}-{match['day'] or match['nth']}{match['rest']}"


def _whole_year(short: int) -> int:
    return short + (2000 if short <= _LAST_SHORT_YEAR else 1900)


def _date(match: re.Match[str], order: DateOrder | None) -> tuple[int, int, int] | None:
    a, b, c = int(match["a"]), int(match["b"]), int(match["c"])
    if len(match["a"]) == _LONG_YEAR:
        return a, b, c
    if len(match["c"]) not in (2, 4):
        return None
    year = c if len(match["c"]) == _LONG_YEAR else _whole_year(c)
    which = order_of(match)
    if which is None:
        which = order if order is not None or a != b else "dmy"
    elif match["sep"] != "." and order is not None and which != order:
        return None  # the file's dates are the other way round: this one is a mistake, not a date
    if which is None:
        return None
    return (year, b, a) if which == "dmy" else (year, a, b)


def order_of(match: re.Match[str]) -> DateOrder | None:
    """Which order a date can only have; None when it may be either."""
    a, b = int(match["a"]), int(match["b"])
    if match["sep"] == "." or a > _NOON >= b:
        return "dmy"
    return "mdy" if b > _NOON >= a else None


def _utc(found: datetime, zone: tzinfo) -> datetime | None:
    try:
        return (found if found.tzinfo is not None else found.replace(tzinfo=zone)).astimezone(UTC)
    except OverflowError:
        return None


def date_orders(texts: Iterable[str]) -> tuple[bool, frozenset[DateOrder]]:
    """Whether some date may be read in either order, and the orders that other dates of the column show."""
    unsure, shown = False, set[DateOrder]()
    for text in texts:
        match = _DATE.fullmatch(text.strip())
        if match is None or len(match["a"]) == _LONG_YEAR or match["sep"] == ".":
            continue
        order = order_of(match)
        if order is not None:
            shown.add(order)
        elif match["a"] != match["b"]:
            unsure = True
    return unsure, frozenset(shown)


@lru_cache(maxsize=4096)
def amount(text: str, decimals: Decimals) -> str | None:
    """A plain decimal number from an amount with its currency and separators; None when it is none."""
    bare = _bare(text)
    if bare is None:
        return None
    point, thousands = (".", ",") if decimals == "point" else (",", ".")
    whole, found, rest = bare.partition(point)
    if point in rest or thousands in rest:
        return None
    first, *groups = whole.split(thousands)
    if groups and not _are_groups(first.lstrip("-"), groups, thousands):
        return None
    return first + "".join(groups) + (f".{rest}" if found and rest else "")


def _are_groups(first: str, groups: Sequence[str], sign: str) -> bool:
    """Whether they are thousands (1,234,567), or lakhs and crores (1,23,456)."""
    *inner, last = map(len, groups)
    if last != 3:  # noqa: PLR2004 - thousands
        return False
    indian = sign == "," and bool(inner) and all(length == 2 for length in inner) and len(first) < 3  # noqa: PLR2004
    return indian or (all(length == 3 for length in inner) and len(first) <= 3)  # noqa: PLR2004 - thousands


def _bare(text: str) -> str | None:
    """The number alone, with its points and commas and a minus before it; None when it is no amount."""
    plain = text.strip().translate(_WRITTEN_AS)
    below = plain.startswith("(") and plain.endswith(")")
    match = _AMOUNT.fullmatch(plain[1:-1] if below else plain) if len(plain) <= _LONGEST_AMOUNT else None
    if match is None or not all(_is_currency(each) for each in match.group("before", "after") if each):
        return None
    minuses = below + sum(map(bool, match.group("minus", "inner", "behind", "last")))
    number = match["number"]
    if minuses > 1 or ((" " in number or "'" in number) and not _SPACED.fullmatch(number)):
        return None
    return ("-" if minuses else "") + number.replace(" ", "").replace("'", "")


def _is_currency(word: str) -> bool:
    plain = word.rstrip(".$")
    return (
        all(unicodedata.category(sign) == "Sc" for sign in plain)
        or plain.casefold() in _WORDS
        or is_currency(plain.upper())
    )


def currency_beside(text: str) -> str | None:
    """The currency written beside an amount, if it is unambiguous."""
    for symbol, code in SYMBOLS.items():
        if symbol in text:
            return code
    match = _CODE.search(text)
    return match[0] if match else None


def decimals_of(texts: Iterable[str]) -> tuple[bool, frozenset[Decimals]]:
    """Whether some amount may be read in two ways (1.234), and the ways that other amounts of the column show."""
    unsure, shown = False, set[Decimals]()
    for text in texts:
        bare = _bare(text)
        if bare is None:
            continue
        points, commas = bare.count("."), bare.count(",")
        if not points and not commas:
            continue
        if points and commas:
            shown.add("point" if bare.rfind(".") > bare.rfind(",") else "comma")
        elif points + commas > 1:
            shown.add("comma" if points else "point")
        elif len(bare) - 1 - max(bare.rfind("."), bare.rfind(",")) == 3:  # noqa: PLR2004 - three digits: thousands?
            unsure = True
        else:
            shown.add("point" if points else "comma")
    return unsure, frozenset(shown)


def as_text(cell: str) -> str:
    """The cell as spreadsheets take it for text: one that looks like a formula gets an apostrophe."""
    return f"'{cell}" if cell.startswith(_LIKE_A_FORMULA) else cell


def from_text(cell: str) -> str:
    """The cell without that apostrophe, or the one in front of an id (Shopify)."""
    kept_as_text = cell.startswith("'") and (cell.startswith(_LIKE_A_FORMULA, 1) or cell[1:].isdecimal())
    return cell[1:] if kept_as_text else cell
