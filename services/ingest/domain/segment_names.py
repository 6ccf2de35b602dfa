"""Segment's names for events, and what they are for us. Everything else is engagement of a kind of that name."""

import re
from typing import Final

# E-commerce: https://segment.com/docs/connections/spec/ecommerce/v2/ · B2B: …/spec/b2b-saas/
PURCHASES: Final = frozenset({"order completed", "completed order"})
REFUNDS: Final = frozenset({"order refunded", "refunded order"})
LEADS: Final = frozenset(
    {
        "signed up",
        "account created",
        "trial started",
        "lead captured",
        "lead created",
        "form submitted",
        "demo requested",
    }
)

_NOT_A_WORD: Final = re.compile(r"[^a-z0-9]+")


def kind_of(event: str) -> str:
    """`Product Viewed` is the kind `product_viewed`."""
    return _NOT_A_WORD.sub("_", event.lower()).strip("_")[:100] or "unnamed"
