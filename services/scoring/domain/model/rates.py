"""Exchange rates into the base currency, day by day. An amount whose day has no rate waits, unconverted."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final

from shared.money import MAX_MINOR, decimals, exactly, round_minor

_ONE: Final = Decimal(1)


@dataclass(frozen=True, slots=True)
class Rates:
    """`table`: by currency, the first day and the price in `base` of one unit, the newest first."""

    base: str
    table: Mapping[str, tuple[tuple[date, Decimal], ...]]

    def on(self, currency: str, day: date) -> Decimal | None:
        """One unit of the currency in the base currency on that day; None when there is no rate for it then."""
        if currency == self.base:
            return _ONE
        return next((rate for since, rate in self.table.get(currency, ()) if since <= day), None)

    def in_base(self, amount: str, currency: str, day: date) -> int | None:
        """Minor units of the base currency for a decimal string, rounded once; None when there is no rate.

        An absurdly large amount counts as the maximum. Raises Permanent when the amount is no number.
        """
        return self._rounded(exactly(amount), self.on(currency, day))

    def minor_in_base(self, minor: Decimal, currency: str, day: date) -> int | None:
        """The same for minor units of the currency, which may be a fraction of one."""
        return self._rounded(minor.scaleb(-decimals(currency)), self.on(currency, day))

    def _rounded(self, amount: Decimal, rate: Decimal | None) -> int | None:
        if rate is None:
            return None
        minor = (amount * rate).scaleb(decimals(self.base))
        return round_minor(max(Decimal(-MAX_MINOR), min(Decimal(MAX_MINOR), minor)))
