"""Segments of contacts: by stage, tier, and the RFM cell of customers. Pure.

A customer's segment is by how lately and how often they bought; both digits are fifths of all customers, 5 the best.
"""

from typing import Final, NamedTuple

from services.scoring.domain.contact.contact import ContactState

MEANS: Final = {
    "champions": "bought lately and often",
    "loyal": "buy often, not quite so lately",
    "new or promising": "bought lately, not often yet",
    "need attention": "bought neither lately nor long ago, and not often",
    "at risk": "bought often, and not for long",
    "lost": "bought seldom, and not for long",
    "customers": "bought; before the first fit nobody can say more",
    "leads": "asked to be contacted, and have not bought",
    "visitors": "have neither asked nor bought",
}
"""What each segment is, the best first."""
_LATELY: Final = 4
_MIDDLE: Final = 3
_OFTEN: Final = 4


class Cell(NamedTuple):
    """Contacts of one stage, tier and RFM cell; empty: they have none."""

    stage: str
    tier: str
    rfm: str


class CellSums(NamedTuple):
    """How many they are and what they are worth, in base minor units."""

    contacts: int
    lead_value: int
    customer_value: int


def cell_of(state: ContactState) -> Cell | None:
    """The contact's; None for one whose stored events are still to be read again."""
    return None if state.journey is None else Cell(state.stage, state.tier, state.rfm)


def segment(cell: Cell) -> str:
    """The name of its segment, one of MEANS."""
    if cell.stage != "customer":
        return f"{cell.stage}s"
    if not cell.rfm:
        return "customers"
    recency, often = int(cell.rfm[0]), int(cell.rfm[1]) >= _OFTEN
    if recency >= _LATELY:
        return "champions" if often else "new or promising"
    if recency == _MIDDLE:
        return "loyal" if often else "need attention"
    return "at risk" if often else "lost"
