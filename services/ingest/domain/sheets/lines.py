"""Orders whose rows say what each line cost, and none what all of them did (Amazon's order reports)."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from services.ingest.domain.sheets import cells
from services.ingest.domain.sheets.choices import Decimals

LINE_PRICE: Final = "line.price"
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
