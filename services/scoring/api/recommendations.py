"""What a contact is interested in, and what it may buy next."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncEngine

from services.scoring.domain.contact.contact import moment
from services.scoring.domain.interests import interests
from services.scoring.domain.recommend import recommend
from services.scoring.store import bought
from services.scoring.store.bought import EVERYBODY
from services.scoring.store.contacts import reads
from services.scoring.store.contacts.reads import StoredEvent
from shared.clock import utc_now
from shared.errors import Permanent
from shared.events.envelope import Decoded, decode
from shared.http.auth import Tokens
from shared.http.problems import Problem
from shared.http.queries import without_nul

_MOST_EVENTS: Final = 500  # the newest: what is older has faded
_MOST_INTERESTS: Final = 20
_END: Final = (datetime(9999, 12, 31, tzinfo=UTC), UUID(int=2**128 - 1))


class InterestItem(BaseModel):
    """A topic. `strength`: what is left of all that pointed to it, each fading by half in 30 days."""

    topic: str
    strength: float
    last_at: datetime


class RecommendationItem(BaseModel):
    """An item that the contact has not bought."""

    item: str
    chance: Annotated[float, Field(description="share of those who bought what it bought that have bought this too")]
    reason: str


class Recommendations(BaseModel):
    """Interests, the strongest first, and the best things to offer next."""

    interests: list[InterestItem]
    items: list[RecommendationItem]


def routes(engine: AsyncEngine, tokens: Tokens) -> APIRouter:
    """The route; it needs a token with the scope `read`."""
    router = APIRouter(prefix="/v1", tags=["contacts"], dependencies=[Depends(tokens.read), Depends(without_nul)])

    @router.get("/contacts/{contact_id}/recommendations")
    async def recommendations(contact_id: UUID) -> Recommendations:
        """What it is interested in, and what it may buy next, with the reason."""
        async with engine.connect() as conn:
            found = await reads.by_id(conn, contact_id)
            if found is None:
                raise Problem(404, "There is no such contact")
            events = await reads.events(conn, found.state.id, _END, _MOST_EVENTS, newest=True)
            has = await bought.of_contact(conn, found.state.id)
            pairs = await bought.beside(conn, has)
            buyers = await bought.buyers(conn, {EVERYBODY, *has}.union(*pairs.values()))
        of = interests(_read(events), utc_now().timestamp())
        everybody = buyers.pop(EVERYBODY, 0)
        return Recommendations(
            interests=[
                InterestItem(topic=each.topic, strength=round(each.strength, 3), last_at=moment(each.last))
                for each in of[:_MOST_INTERESTS]
            ],
            items=[
                RecommendationItem(item=each.item, chance=round(each.chance, 4), reason=each.reason)
                for each in recommend(has, buyers, everybody, pairs, of)
            ],
        )

    return router


def _read(events: Sequence[StoredEvent]) -> Iterator[Decoded]:
    for event in events:
        try:
            yield decode(event.body)
        except Permanent:  # it was folded under rules that have become stricter since
            continue
