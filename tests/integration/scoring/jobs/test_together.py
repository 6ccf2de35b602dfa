"""A lead model in which features say something together, in force: valued, learnt further, swept and taken back."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from prometheus_client import CollectorRegistry

from services.scoring.domain.model.learnt import lead_parameters, step_of, step_parameters, version_of
from services.scoring.facts import FactMaker
from services.scoring.jobs.revalue import Revaluing
from services.scoring.jobs.sweep import Sweeping
from services.scoring.models import InForce
from services.scoring.store import models as store
from services.scoring.store.models import StoredModel, StoredStep
from shared.clock import new_id, utc_now
from tests.support.folding import Folding, folding
from tests.unit.scoring.builders import a_lead, a_model, an_engagement
from tests.unit.scoring.together import LEARNT

DAY = timedelta(days=1)
BALANCED = """
    SELECT c.id FROM contacts AS c LEFT JOIN bookings AS b ON b.contact_id = c.id AND b.account = 'lead'
    GROUP BY c.id HAVING c.lead_value <> coalesce(sum(b.amount), 0)
"""


@pytest.fixture
async def scoring(database: str) -> AsyncIterator[Folding]:
    async with folding(database) as scoring:
        yield scoring


async def put_in_force(scoring: Folding, now: datetime) -> str:
    parameters = lead_parameters("", LEARNT.intercept, 0.1, LEARNT.features, LEARNT.together)
    version = version_of("lead", parameters)
    stored = StoredModel(version, "lead", "challenger", parameters, {}, 500, now, now, None, "a test's")
    async with scoring.engine.begin() as conn:
        await store.add(conn, stored)
        await store.choose(conn, "lead", version, now)
    return version


async def value(scoring: Folding) -> int:
    return int(await scoring.one("SELECT sum(lead_value) FROM contacts"))


async def test_it_is_booked_learnt_further_swept_and_taken_back_to_the_cent(scoring: Folding) -> None:
    now = utc_now()
    version = await put_in_force(scoring, now)
    for n, size in enumerate((10, 30, 70, 500)):
        who = {"email": f"p{n}@example.com"}
        await scoring.folds(a_lead(**who, traits={"size": size, "country": "de"}, at=now, event=("lead", n)))
        await scoring.folds(an_engagement(**who, kind="page_viewed", at=now, event=("view", n)))
    factors = {factor for (factor,) in await scoring.all("SELECT factor FROM bookings WHERE account = 'lead'")}
    assert "together" in factors
    assert await scoring.all(BALANCED) == []
    first = await value(scoring)

    models, registry = InForce(a_model()), CollectorRegistry()
    revaluing = Revaluing(scoring.engine, models, utc_now, new_id, registry)
    fitted = models.model
    async with scoring.engine.begin() as conn:
        await models.refresh(conn)
        fitted = models.model
        learnt = fitted.learnt.lead
        assert learnt is not None
        assert (learnt.version, learnt.together) == (version, LEARNT.together)
        parameters = step_parameters(replace(learnt, intercept=learnt.intercept + 0.5))
        assert "together" not in parameters, "a step holds no trees"
        step = StoredStep(version, step_of(parameters), parameters, 20, 5, now)
        await store.note_step(conn, step)
        await models.refresh(conn)
    taught = models.model.learnt.lead
    assert taught is not None
    assert (taught.step, taught.together) == (step.step, LEARNT.together)

    sweeping = Sweeping(scoring.engine, models, FactMaker(b"s", new_id), lambda: now + 3 * DAY, CollectorRegistry())
    while await sweeping.step():
        pass
    assert await scoring.all(BALANCED) == []
    assert await value(scoring) != first, "what was learnt further counts, and three days have passed"

    async with scoring.engine.begin() as conn:
        await store.choose(conn, "lead", None, utc_now())
    while await revaluing.step():
        pass
    assert await scoring.all(BALANCED) == []
    assert {model for (model,) in await scoring.all("SELECT model FROM contacts")} == {a_model().version}
