"""Folds contacts again from their stored events."""

from collections.abc import Mapping
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from services.scoring.domain.contact.contact import ContactState
from services.scoring.domain.contact.refold import Refolding
from services.scoring.domain.model.model import Model
from services.scoring.store.contacts import history
from shared.errors import Permanent
from shared.events.envelope import decode


async def refold(conn: AsyncConnection, states: Mapping[UUID, ContactState], model: Model) -> dict[UUID, Refolding]:
    """Fold each of these locked contacts again."""
    refolding = {contact_id: Refolding(state, model) for contact_id, state in states.items()}
    async for contact_id, body in history.of_contacts(conn, list(states)):
        try:
            refolding[contact_id].add(decode(body))
        except Permanent:  # it was folded under rules that have become stricter since: leave out what it said
            continue
    return refolding
