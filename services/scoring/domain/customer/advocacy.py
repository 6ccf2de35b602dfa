"""What a contact is worth because it speaks for us: those it referred who bought, and how it answered NPS. Pure."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from services.scoring.domain.contact.contact import ContactState
from services.scoring.domain.identity.identity import named
from services.scoring.domain.model.model import Model
from shared.errors import Permanent
from shared.events.envelope import Event, decode
from shared.events.types import ReferralMade
from shared.money import MAX_MINOR

_PROMOTER: Final = 9
_DETRACTOR: Final = 6


class Brought(NamedTuple):
    """A customer whom a contact named first, and when."""

    by: UUID
    at: datetime
    state: ContactState


def referred(event: Event, data: Any) -> tuple[str, ...]:
    """The strongest key of the one whom the event refers, if it does.

    A stranger may say anything, and a number or device of many is nobody in particular.
    """
    if not isinstance(data, ReferralMade) or event.trust == "public":
        return ()
    return named(data.referred, event.source, event.trust).strong[:1]


def names(body: bytes, keys: Collection[str]) -> bool:
    """Whether a stored referral names somebody who has one of these keys, whoever told of it."""
    try:
        event, data = decode(body)
    except Permanent:  # it was folded under rules that have become stricter since
        return False
    return isinstance(data, ReferralMade) and not {*named(data.referred, event.source, event.trust).keys}.isdisjoint(
        keys
    )


def margin_brought(found: Sequence[Brought]) -> dict[UUID, int]:
    """What those brought who had not bought before they were referred, each once, in base minor units."""
    seen: set[tuple[UUID, UUID]] = set()
    margins: dict[UUID, int] = {}
    for by, at, state in found:
        bought = state.journey.bought if state.journey is not None else ()
        if not bought or bought[0] < at.timestamp() or (by, state.id) in seen:
            continue
        seen.add((by, state.id))
        margins[by] = min(MAX_MINOR, margins.get(by, 0) + max(0, state.past))
    return margins


def credit(state: ContactState, model: Model) -> int:
    """The share of the margin that those brought whom it referred, in base minor units."""
    return round(model.scorecard.referral_share * state.referred)


def loyalty(state: ContactState, model: Model) -> float:
    """By what share more (or less) it is expected to buy, by its latest answer to NPS."""
    said = state.known.get("nps")
    if said is None or said.public or not isinstance(said.value, int | float):
        return 0.0
    if said.value >= _PROMOTER:
        return model.scorecard.promoter_share
    return model.scorecard.detractor_share if said.value <= _DETRACTOR else 0.0
