"""Each customer's orders from a file of past purchases; its columns are detected and reported."""

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Final

from services.scoring.training.customers.backtest import Orders
from services.scoring.training.reading.cells import is_missing, numbers
from services.scoring.training.reading.columns import words_of
from services.scoring.training.reading.moments import day_of, moments
from services.scoring.training.reading.sheet import Sheet, SheetUnusableError, read_sheet

# The columns of common exports, by what their names contain; earlier patterns win.
_CUSTOMER: Final = (
    r"unique", r"e ?mail",
    r"(customer|client|user|buyer|contact|kunden?|account|member|household|card) ?(id|no|nr|number|key)",
    r"customer|client|user|buyer|contact|kunde|account|member|shopper|household", r"\bcust|\bid\b", r"name",
)  # fmt: skip
_TIME: Final = (
    r"(order|purchase|invoice|transaction|paid|payment|sale)s? ?\w* ?(date|time|at|day|timestamp|datum)",
    r"^(date|time|timestamp|day|datum|created( at)?|when)$", r"date|time|created|paid at|datum|day|processed|ordered",
)  # fmt: skip
_AMOUNT: Final = (
    r"^(grand )?total$|order (total|value|amount)|total (amount|price|paid|value)|payment value|revenue",
    r"net sales|gross",
    r"total|amount|value|sales|betrag|summe|umsatz|paid|spend|spent|monetary|dollar|revenue", r"price|cost|preis",
)  # fmt: skip
_NOT_TIME: Final = re.compile(r"birth|deliver|ship|estimat|due|expir|updat|cancel|refund|limit", re.IGNORECASE)
_NOT_AMOUNT: Final = re.compile(
    r"tax|vat|shipping|freight|discount|refund|fee|quantity|qty|count|installment", re.IGNORECASE
)
_EACH: Final = re.compile(r"unit|price|each|per", re.IGNORECASE)
_WHOLE: Final = re.compile(r"total|sub|line|order", re.IGNORECASE)
_QUANTITY: Final = re.compile(r"quantity|qty|units|menge|anzahl|number of items", re.IGNORECASE)
_MOSTLY: Final = 0.95
_SAMPLE: Final = 2000  # rows sampled to see what a column holds


def read_orders(
    path: Path, customer: str | None = None, time: str | None = None, amount: str | None = None
) -> tuple[Orders, list[str]]:
    """Each customer's orders from a CSV file, and how it was read. Columns not named are detected.

    Raises SheetUnusableError or OSError.
    """
    sheet = read_sheet(path)
    who_name = sheet.name(customer) if customer else _found(sheet, "customer", _CUSTOMER, _repeats, but=None)
    when_name = sheet.name(time) if time else _found(sheet, "time", _TIME, _is_time, but=_NOT_TIME)
    taken = {when_name, who_name}
    worth_name = (
        sheet.name(amount) if amount else _found(sheet, "amount", _AMOUNT, _is_money, but=_NOT_AMOUNT, taken=taken)
    )
    said = [*sheet.said, f"customer: {who_name}", f"time: {when_name}"]
    times = moments(sheet.column(when_name))
    if times is None:
        raise SheetUnusableError(f"{when_name!r} holds no days or times")
    if times.said is not None:
        said.append(f"{when_name}: {times.said}")
    worth = numbers(sheet.column(worth_name))
    quantity = None if amount else _quantity(sheet, worth_name)
    if quantity is not None:
        counts = numbers(sheet.column(quantity))
        worth = [
            None if value is None or count is None else value * count
            for value, count in zip(worth, counts, strict=True)
        ]
    said.append(f"amount: {worth_name}" + (f", times {quantity}" if quantity else ""))
    orders: dict[str, list[tuple[date, float]]] = {}
    left = 0
    for name, moment, value in zip(sheet.column(who_name), times.values, worth, strict=True):
        if is_missing(name) or moment is None or value is None:
            left += 1
        else:
            orders.setdefault(name.casefold(), []).append((day_of(moment), value))
    if left:
        said.append(f"{left} rows without a customer, a day or an amount are left out")
    back = sum(value < 0 for each in orders.values() for _, value in each)
    if back:
        said.append(f"{back} rows of money that went back are taken off the customer's latest purchases before them")
        orders = {who: given_back(each) for who, each in orders.items()}
    return orders, said


def given_back(orders: Sequence[tuple[date, float]]) -> list[tuple[date, float]]:
    """The orders, with each negative amount deducted from the latest ones before it; any excess is dropped."""
    kept: list[tuple[date, float]] = []
    for day, value in sorted(orders, key=lambda each: (each[0], -each[1])):
        left = -value
        place = len(kept) - 1
        while left > 0 and place >= 0:
            at, worth = kept[place]
            taken = min(left, worth)
            kept[place], left, place = (at, worth - taken), left - taken, place - 1
        if value >= 0:
            kept.append((day, value))
    return kept


def _found(
    sheet: Sheet,
    role: str,
    ways: Sequence[str],
    holds: Callable[[Sequence[str]], bool],
    *,
    but: re.Pattern[str] | None,
    taken: Collection[str] = (),
) -> str:
    """The column for a role: one whose name and content fit, else one whose content fits."""

    def candidates() -> Iterator[str]:
        names = [name for name in sheet.columns if name not in taken]
        fitting = [name for name in names if but is None or not but.search(words_of(name))]
        for way in ways:
            yield from (name for name in fitting if re.search(way, words_of(name), re.IGNORECASE))
        if role == "amount" and all(name.startswith("column ") for name in names):
            yield from sorted(fitting, key=lambda name: not _has_cents(sheet.columns[name][:_SAMPLE]))
        elif role == "customer":
            yield from (name for name in fitting if _names_somebody(sheet.columns[name][:_SAMPLE]))
        elif role == "time":
            yield from fitting

    named = list(dict.fromkeys(candidates()))
    found = next((name for name in named if holds(sheet.columns[name][:_SAMPLE])), None)
    if found is None and role == "customer" and named:
        found = named[0]  # everybody bought once
    if found is None:
        raise SheetUnusableError(
            f"no column looks like the {role}; name it with --{role}. There are: {', '.join(sheet.columns)}"
        )
    return found


def _is_time(cells: Sequence[str]) -> bool:
    return moments(cells) is not None


def _repeats(cells: Sequence[str]) -> bool:
    there = [cell for cell in cells if not is_missing(cell)]
    return 1 < len(set(there)) < len(there)


def _is_money(cells: Sequence[str]) -> bool:
    there = [cell for cell in cells if not is_missing(cell)]
    good = sum(value is not None for value in numbers(there))
    return bool(there) and good >= _MOSTLY * len(there) and moments(there) is None


def _has_cents(cells: Sequence[str]) -> bool:
    return any(value is not None and value != int(value) for value in numbers(cells))


def _names_somebody(cells: Sequence[str]) -> bool:
    """Whether a column under any name may identify the buyer: words or whole numbers that repeat, no days."""
    return _repeats(cells) and not _is_time(cells) and not _has_cents(cells)


def _quantity(sheet: Sheet, amount: str) -> str | None:
    """The column with the quantity, where the amount is a unit price."""
    if not _EACH.search(words_of(amount)) or _WHOLE.search(words_of(amount)):
        return None
    return next((name for name in sheet.columns if name != amount and _QUANTITY.search(words_of(name))), None)
