"""Lets the lead model in force learn from what has become known since its fit. Runs as a process of its own.

Each time it begins at the fit, and takes the outcomes that the stored events tell, in the order in which they became
known: run twice it gives the same, and a purchase that was told late, or a contact that was erased, is as if it had
always been so.
"""

import sys
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from services.scoring.config import load_scoring
from services.scoring.domain.lead.learnt import LeadModel
from services.scoring.domain.lead.online import Outcome, taught
from services.scoring.domain.model.learnt import ModelUnusableError, read_lead, step_of, step_parameters
from services.scoring.domain.model.model import Model
from services.scoring.store import models as store
from services.scoring.store.contacts import history
from services.scoring.store.models import StoredModel, StoredStep
from services.scoring.training import child
from services.scoring.training.leads.dataset import RIPE_DAYS, Look, read_leads
from shared.clock import utc_now

_LONGEST: Final = timedelta(days=30)  # what is older is for the next fit
_MOST_CONTACTS: Final = 10_000


async def learn_online(conn: AsyncConnection, settings: Model, now: datetime) -> StoredStep | None:
    """Move the lead model in force by the outcomes since its fit, and store that; None when there is none to move."""
    champion = (await store.champions(conn)).get("lead")
    model = _read(champion, settings) if champion is not None else None
    if champion is None or model is None or not await store.alone(conn):
        return None
    since = max(champion.made_at, now - _LONGEST)
    contacts = await history.whose_outcome(conn, since, now, timedelta(days=RIPE_DAYS), _MOST_CONTACTS)
    leads = await read_leads(conn, settings, now, contacts)
    looks = known_between(leads.looks, since.timestamp(), now.timestamp())
    parameters = step_parameters(taught(model, outcomes(looks)))
    of_lead = {look.lead: look.bought for look in looks}
    step = StoredStep(
        champion.version, step_of(parameters), parameters, len(of_lead), sum(of_lead.values()), now
    )  # fmt: skip
    await store.note_step(conn, step)
    return step


def _read(champion: StoredModel, settings: Model) -> LeadModel | None:
    """The model; None if it is set aside, or of a release whose fits did not say how unsure they are."""
    try:
        model = read_lead(champion.version, champion.parameters)
    except ModelUnusableError:
        return None
    return model if model.odds == settings.scorecard.odds and model.intercept_variance > 0 else None


def known_between(looks: Sequence[Look], since: float, until: float) -> list[Look]:
    """The looks at leads whose outcome became known after `since`, until then: in that order."""
    new = [look for look in looks if since < look.known_at <= until]
    return sorted(new, key=lambda look: (look.known_at, look.opened, look.lead))  # the looks at one lead stay in order


def outcomes(looks: Sequence[Look]) -> list[Outcome]:
    """What the looks teach: those at one lead count as much as one."""
    count = Counter(look.lead for look in looks)
    return [Outcome(look.known, look.scorecard, look.bought, 1.0 / count[look.lead]) for look in looks]


async def step_all(database: str, config: Path) -> None:
    """The same, in the database of an installation."""
    async with child.one_connection(database, "firsthour-step") as engine, engine.begin() as conn:
        await learn_online(conn, load_scoring(config), utc_now())


if __name__ == "__main__":
    sys.exit(child.run(step_all))
