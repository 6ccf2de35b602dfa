"""What an order is worth: the rate table, and the margin of an order that says none."""

from dataclasses import dataclass

from services.scoring.domain.model.rates import Rates


@dataclass(frozen=True, slots=True)
class Pricing:
    """Orders priced by another `version` are priced anew. `margin_rate`: the share of a price that is margin."""

    version: str
    rates: Rates
    margin_rate: float
