"""When models are fitted, by whom, and what comes in force."""

import asyncio
import math
from dataclasses import replace
from datetime import timedelta

import pytest
from prometheus_client import CollectorRegistry

from services.scoring.config import load_scoring
from services.scoring.domain.model.learnt import lead_parameters, version_of
from services.scoring.domain.model.scorecard import SourceModel
from services.scoring.jobs.refit import Refitting
from services.scoring.store import models as store
from services.scoring.training.fit import fit_models
from services.scoring.training.step import learn_online
from shared.clock import utc_now
from tests.integration.scoring.jobs.test_models import put_in_force, tell_a_past
from tests.support.scoring_service import CONFIG, World, scoring

_DAY = timedelta(days=1)


@pytest.fixture
def partitions() -> int:
    return 12


async def test_a_clock_that_was_ahead_for_a_while_stops_neither_fits_nor_learning(world: World) -> None:
    now, stopping = utc_now(), asyncio.Event()
    await put_in_force(world, "lead-1", now + 400 * _DAY)
    async with world.engine.begin() as conn:
        await store.note_fits(conn, ["lead", "customer"], now + 400 * _DAY, "of a wrong clock")
    job = Refitting(world.engine, world.settings(CONFIG), lambda: now, lambda: 0.0, CollectorRegistry())
    stopping.set()  # a child is ended at once
    assert await job.step(stopping)
    assert await job.learn(stopping)


async def test_of_two_processes_one_fits_and_one_learns(world: World) -> None:
    settings, now = load_scoring(CONFIG), utc_now()
    parameters = lead_parameters(settings.scorecard.odds, -1.0, 0.1, [])
    await put_in_force(world, version_of("lead", parameters), now - _DAY, parameters)
    async with world.engine.connect() as conn:
        assert await learn_online(conn, settings, now)
        await conn.rollback()
        assert await store.alone(conn)
        async with world.engine.connect() as other:
            assert await learn_online(other, settings, now) is None
        (fitted,) = await fit_models(world.engine, settings, ["lead"], now)
        assert fitted.said == "another process is fitting the models"
    (fitted,) = await fit_models(world.engine, settings, ["lead"], now)
    assert "too few" in fitted.said
    (noted,) = await world.rows("SELECT kind FROM fits")
    assert noted.kind == "lead", "the other kind is still due"


async def test_a_fit_that_beats_nothing_is_kept_and_not_put_to_use(world: World) -> None:
    known = load_scoring(CONFIG)
    source = SourceModel(math.log(0.3 / 0.7), 0)  # it already says what is true of everybody
    card = replace(
        known.scorecard, sources={"default": source}, fit=(), points={}, default_points=0, recency_per_second=0
    )
    settings = replace(known, scorecard=card)
    async with scoring(world):
        await tell_a_past(world, agency=0.3, school=0.3, days=40)
    (fitted,) = await fit_models(world.engine, settings, ["lead"], utc_now())
    assert not fitted.in_force, fitted
    async with world.engine.connect() as conn:
        assert await store.champions(conn) == {}
        assert [each.state for each in await store.newest(conn, 9)] == ["challenger"]
