"""Money in API responses."""

from pydantic import BaseModel

from shared.money import from_minor


class Amount(BaseModel):
    """Money as people write it."""

    amount: str
    currency: str


def amount_of(minor: int, currency: str) -> Amount:
    """Minor units as people write them."""
    money = from_minor(minor, currency)
    return Amount(amount=money.amount, currency=money.currency)
