"""What the cells of a table say: nothing known, a number, or a word."""

import math
import re
from collections.abc import Iterable, Sequence
from typing import Final

# What people and programs write for "not known"; compared without case and surrounding punctuation.
MISSING: Final = frozenset(
    {"", ".", "?", "select", "please select", "select one", "choose", "n/a", "na", "n.a", "#n/a", "nan", "nat", "null",
     "none", "nil", "unknown", "not known", "not provided", "not specified", "not available", "not set", "not given",
     "undefined", "unspecified", "missing", "blank", "empty", "no data", "n/d", "tbd", "\\n", "#null!", "#value!",
     "#ref!", "#div/0!", "#name?", "unbekannt", "keine angabe", "k.a", "inconnu", "desconocido", "sconosciuto",
     "onbekend", "nicht bekannt"}
)  # fmt: skip
_AROUND: Final = " \t-_\u2013\u2014<>()[]{}…:*'\"\u00a0"
_CURRENCY: Final = re.compile(
    r"^(?:[A-Z]{0,3}[€$£¥₹]|EUR|USD|GBP|CHF|AUD|CAD|INR|kr\.?|Rs\.?)\s*"
    r"|\s*(?:[€$£¥₹]|EUR|USD|GBP|CHF|AUD|CAD|INR|kr\.?|%)$",
    re.IGNORECASE,
)
_GROUPED: Final = re.compile(r"[ '\u2019\u00a0\u202f]")
_NUMBER: Final = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?", re.IGNORECASE)
_DECIMAL_COMMA: Final = re.compile(r"[+-]?\d*(?:,(?:\d{1,2}|\d{4,})|(?:\.\d{3})+,\d*)")
_THOUSANDS: Final = re.compile(r"[+-]?\d{1,3}(?:,\d{2,3})*,\d{3}(?:\.\d*)?")
_LARGE: Final = {"k": 1e3, "m": 1e6, "bn": 1e9}
_SUFFIX: Final = re.compile(r"(?<=\d)\s?(k|m|bn)$", re.IGNORECASE)


def is_missing(cell: str) -> bool:
    """Whether a cell says that nothing is known."""
    plain = cell.strip(_AROUND).casefold()
    return plain in MISSING or plain.rstrip(".").replace("_", " ") in MISSING


def numbers(cells: Sequence[str]) -> list[float | None]:
    """Numbers as people write them ("1,234.50", "12 %", "€ 5", "(3)", "10k"); None for a cell without one.

    Whether a comma separates thousands or decimals is decided once for all cells.
    """
    plain = {cell: _bare(cell) for cell in set(cells)}
    comma = _decimal_comma(plain.values())
    known = {cell: _number(bare, comma=comma) for cell, bare in plain.items()}
    return [known[cell] for cell in cells]


def _bare(cell: str) -> str:
    """The number without what surrounds it."""
    plain = cell.strip()
    if plain.replace(".", "").isdigit():
        return plain
    if plain.startswith("(") and plain.endswith(")"):
        plain = "-" + plain[1:-1].strip()
    plain = plain.replace("\u2212", "-")
    sign = "-" if plain[:1] == "-" else ""
    plain = _CURRENCY.sub("", plain[len(sign) :].strip()).strip()
    return _GROUPED.sub("", sign + plain) if not _SUFFIX.search(plain) else sign + plain


def _decimal_comma(cells: Iterable[str]) -> bool:
    found = False
    for cell in cells:
        if "," in cell:
            if _DECIMAL_COMMA.fullmatch(cell):
                found = True
            elif _THOUSANDS.fullmatch(cell) and (cell.count(",") > 1 or "." in cell):
                return False
    return found


def _number(cell: str, *, comma: bool) -> float | None:
    times = 1.0
    if cell[-1:].isalpha() and (large := _SUFFIX.search(cell)) is not None:
        times, cell = _LARGE[large[1].lower()], cell[: large.start()]
    if "," in cell:
        if not comma and not _THOUSANDS.fullmatch(cell):
            return None
        cell = cell.replace(".", "").replace(",", ".") if comma else cell.replace(",", "")
    if not _NUMBER.fullmatch(cell):
        return None
    value = float(cell) * times
    return value if math.isfinite(value) else None
