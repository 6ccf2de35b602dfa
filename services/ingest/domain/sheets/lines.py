"""Orders of several rows: what holds for the whole order, and what its lines add up to."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from services.ingest.domain.sheets import cells
from services.ingest.domain.sheets.choices import Decimals
from services.ingest.domain.sheets.items import COST_OF_GOODS, amount_in

LINE_PRICE: Final = "line.price"  # where no row says what the whole order came to (Amazon's order reports)
EARNED: Final = ("margin", COST_OF_GOODS)  # of an order, or of each of its lines
# Of a whole line, however many pieces. Taxes are left out: the prices hold them in Europe, and in America the
# marketplace collects them for itself.
_ADDED: Final = (LINE_PRICE, "line.shipping", "line.wrapping")
_TAKEN_OFF: Final = ("line.discount", "line.shipping_discount")
LINES: Final = (*_ADDED, *_TAKEN_OFF)


def total_of(rows: Sequence[Sequence[Any]], at: Mapping[str, int], decimals: Decimals) -> str | None:
    """The sum of the lines, without their discounts; None when one cannot be read, or none has a price."""
    total, priced = Decimal(), False
    for name in LINES:
        for row in rows if name in at else ():
            text = str(row[at[name]]).strip()
            found = cells.amount(text, decimals) if text else "0"
            if found is None:
                return None
            priced |= name == LINE_PRICE and bool(text)
            total += Decimal(found) if name in _ADDED else -abs(Decimal(found))
    return str(total) if priced else None


def merged(rows: Sequence[Sequence[Any]], at: Mapping[str, int], decimals: Decimals) -> list[Any]:
    """One row of many: of each column, the first value that is there; of what was earned, the sum of the lines."""
    whole = list(rows[0])
    for index, value in enumerate(whole):
        if value == "":
            whole[index] = next((row[index] for row in rows if index < len(row) and row[index] != ""), "")
    for name in EARNED:
        if name in at:
            whole[at[name]] = _of_all(rows, at[name], at.get("amount"), decimals)
    return whole


def _of_all(rows: Sequence[Sequence[Any]], column: int, total: int | None, decimals: Decimals) -> Any:
    """What all lines add up to; where the order's total stands in each row, what is the same in each is the order's."""
    said = [value for row in rows if (value := row[column]) != ""]
    each_has_the_total = total is not None and all(row[total] != "" for row in rows)
    if len(said) < 2 or (each_has_the_total and len(set(said)) == 1):  # noqa: PLR2004 - of several lines
        return said[0] if said else ""
    if len(said) < len(rows):
        return ""  # nobody knows that of the others
    numbers = [amount_in(value, decimals) for value in said]
    wrong = next((value for value, number in zip(said, numbers, strict=True) if number is None), None)
    if wrong is not None:
        return wrong
    text = f"{sum((number for number in numbers if number is not None), Decimal()):f}"
    return text if decimals == "point" else text.replace(".", ",")
