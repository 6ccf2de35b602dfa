"""A learnt model comes in force while scoring runs: everybody is valued by it, and one command takes it back."""

import asyncio
import json
import random
from datetime import datetime, timedelta
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import event

from services.scoring.config import load_scoring
from services.scoring.jobs.refit import Refitting
from services.scoring.store import models as store
from services.scoring.store.models import StoredModel
from services.scoring.training.fit import fit_models
from shared.clock import utc_now
from tests.support.command import Command
from tests.support.scoring_service import CONFIG, World, scoring
from tests.support.waiting import until
from tests.unit.scoring.builders import a_lead, a_purchase, an_engagement

_DAY = timedelta(days=1)


@pytest.fixture
def partitions() -> int:
    return 12


async def tell_a_past(world: World, agency: float = 0.7, school: float = 0.1, days: int = 1) -> None:
    """Agencies buy, and buy again; schools hardly do, unless another chance is said. Who buys does after some days."""
    dice, begin = random.Random(4), utc_now() - 380 * _DAY
    for n in range(240):
        trade = dice.choice(["agency", "school"])
        came, who = begin + n * _DAY, f"p{n}@example.com"
        events = [a_lead(email=who, traits={"trade": trade}, at=came, event=f"l{n}")]
        if dice.random() < (agency if trade == "agency" else school):
            for again in range(dice.choice([1, 1, 2, 4])):
                at = min(came + (days + 25 * again) * _DAY, utc_now())
                events.append(a_purchase(email=who, at=at, order_id=f"o{n}-{again}", event=f"o{n}-{again}"))
        await world.tell(*events, partition=n % 12)
    await world.settled()


async def all_at(world: World, version: str) -> None:
    async def all_are() -> bool:
        return not await world.rows("SELECT id FROM contacts WHERE model <> :version", version=version)

    await until(all_are, 40)


async def test_what_was_learnt_is_put_to_use_and_taken_back(world: World) -> None:
    settings = load_scoring(CONFIG)
    firsthour = Command(database=world.database)
    async with scoring(world) as api:
        await tell_a_past(world)
        before = await world.one("SELECT sum(customer_value) FROM contacts")
        fitted = await fit_models(world.engine, settings, ["lead", "customer"], utc_now())
        assert [(each.kind, each.in_force) for each in fitted] == [("lead", True), ("customer", True)], fitted
        versions = [each.version for each in fitted]
        await all_at(world, "+".join([settings.version, *map(str, versions)]))
        await world.books_balance()
        assert await world.one("SELECT sum(customer_value) FROM contacts") > before
        shown = await api.get("/v1/models")
        assert {each["version"]: each["state"] for each in shown["items"]} == dict.fromkeys(versions, "champion")
        calibration = await api.get(f"/v1/models/{versions[0]}/calibration")
        assert sum(each["count"] for each in calibration["bins"]) == calibration["rows"]
        curves = await api.get("/v1/response-curve")
        assert curves["points"][0] == curves["customers"]["points"][0]
        assert curves["points"][0] == {"minutes": 0, "left": 1.0, "low": None, "high": None}
        assert (curves["sources"], curves["customers"]["tau"]) == ({}, 43_200.0)
        (customer,) = await world.rows(
            "SELECT id FROM contacts WHERE stage = 'customer' ORDER BY customer_value DESC LIMIT 1"
        )
        stands = (await api.get(f"/v1/contacts/{customer.id}"))["customer"]
        assert 0 < stands["p_alive"] < 1
        assert stands["expected_purchases"] > 0
        assert len(stands["rfm"]) == 3

        chances = {}
        for trade in ("agency", "school"):
            await world.tell(a_lead(email=f"{trade}@example.com", traits={"trade": trade}, at=utc_now()))
            await world.settled()
            (contact,) = (await api.get("/v1/contacts", email=f"{trade}@example.com"))["items"]
            chances[trade] = contact["conversion"]
        assert chances["agency"] > 2 * chances["school"]

        listed = json.loads((await asyncio.to_thread(firsthour, "models", "list", "--json")).out)
        assert len(listed["models"]) == 2
        assert "items" in json.loads((await asyncio.to_thread(firsthour, "queue", "--json")).out)
        assert (await asyncio.to_thread(firsthour, "export", "contacts")).out.startswith("id,stage,")
        for kind in ("lead", "customer"):
            done = await asyncio.to_thread(firsthour, "models", "rollback", "--kind", kind)
            assert "scoring.yaml alone" in done.out
        await all_at(world, settings.version)
        assert await world.one("SELECT sum(customer_value) FROM contacts") == before
        await world.books_balance()
        assert (await asyncio.to_thread(firsthour, "models", "use", str(versions[1]))).code == 0
        await all_at(world, f"{settings.version}+{versions[1]}")


async def test_a_model_in_force_learns_from_the_outcomes_since_its_fit(world: World) -> None:
    settings = load_scoring(CONFIG)
    async with scoring(world) as api:
        await tell_a_past(world)
        fitted = await fit_models(world.engine, settings, ["lead"], utc_now())
        await all_at(world, f"{settings.version}+{fitted[0].version}")
        for trade in ("agency", "school"):
            await world.tell(a_lead(email=f"{trade}@example.com", traits={"trade": trade}, at=utc_now()))
        await world.settled()
        (school,) = (await api.get("/v1/contacts", email="school@example.com"))["items"]

        await world.tell(a_purchase(email="school@example.com", at=utc_now(), order_id="school"))
        await world.settled()
        registry = CollectorRegistry()
        job = Refitting(world.engine, world.settings(CONFIG), lambda: utc_now() + _DAY / 12, lambda: 0.0, registry)
        assert await job.learn()
        assert not await job.learn(), "it is done once an hour"
        assert registry.get_sample_value("firsthour_model_leads_since_fit") == 1
        (step,) = await world.rows("SELECT version, step, leads, bought FROM model_steps")
        assert (step.version, step.leads, step.bought) == (fitted[0].version, 1, 1)

        async def is_stepped() -> bool:
            return bool((await api.get("/v1/models"))["in_force"].endswith(f"~{step.step}"))

        await until(is_stepped, 40)
        await world.tell(a_lead(email="next@example.com", traits={"trade": "school"}, at=utc_now()))
        await world.tell(an_engagement(email="agency@example.com", human_likelihood=0.0, at=utc_now()))
        await world.settled()
        (contact,) = (await api.get("/v1/contacts", email="next@example.com"))["items"]
        assert school["conversion"] < contact["conversion"] < 3 * school["conversion"], "one of them has bought since"
        moved = await world.rows("SELECT 1 FROM bookings WHERE factor = 'model' AND model LIKE '%~' || :s", s=step.step)
        assert len(moved) == 1, "nobody is revalued who did nothing"
        await world.books_balance()


async def test_the_stop_ends_a_child_and_is_no_failure(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    await put_in_force(world, "lead-1", utc_now() - _DAY)
    registry = CollectorRegistry()
    now, stopping = [utc_now()], asyncio.Event()
    job = Refitting(world.engine, world.settings(CONFIG), lambda: now[0], lambda: 0.0, registry)
    stopping.set()
    assert await job.learn(stopping)
    assert not await job.step(stopping)
    now[0] += _DAY
    assert await job.step(stopping)
    assert "not_stepped" not in (said := capsys.readouterr().out)
    assert "not_fitted" not in said
    results = [registry.get_sample_value("firsthour_model_fits_total", {"result": each}) for each in ("done", "failed")]
    assert not any(results)
    assert {row.said for row in await world.rows("SELECT said FROM fits")} == {"waits for the first night"}


async def test_a_child_that_fails_is_said_once_and_tried_again_when_it_is_time(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    await put_in_force(world, "lead-1", utc_now() - _DAY)
    registry = CollectorRegistry()
    now, nowhere = [utc_now()], world.settings(world.state / "no configuration")
    job = Refitting(world.engine, nowhere, lambda: now[0], lambda: 0.0, registry)
    assert await job.learn()
    assert not await job.learn(), "not each minute"
    assert not await job.step()
    now[0] += _DAY
    assert await job.step()
    assert not await job.step(), "not each minute"
    said = capsys.readouterr().out
    assert (said.count("model_not_stepped"), said.count("models_not_fitted")) == (1, 1)
    assert registry.get_sample_value("firsthour_model_fits_total", {"result": "failed"}) == 1


async def test_while_no_fit_is_due_the_job_has_the_model_learn(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    await put_in_force(world, "lead-1", utc_now() - _DAY)
    nowhere, stopping = world.settings(world.state / "no configuration"), asyncio.Event()
    job = Refitting(world.engine, nowhere, utc_now, lambda: 0.0, CollectorRegistry())
    running = asyncio.create_task(job.run(stopping))
    said = ""

    async def is_tried() -> bool:
        nonlocal said
        said += capsys.readouterr().out
        return "model_not_stepped" in said

    await until(is_tried, 40)
    stopping.set()
    await running


async def test_who_has_learnt_is_asked_again_in_an_hour(world: World) -> None:
    asked, now, stopping = 0, [utc_now()], asyncio.Event()
    stopping.set()  # a child would be ended at once

    def ask(*_: object) -> None:
        nonlocal asked
        asked += 1

    event.listen(world.engine.sync_engine, "before_cursor_execute", ask)
    job = Refitting(world.engine, world.settings(CONFIG), lambda: now[0], lambda: 0.0, CollectorRegistry())
    assert not await job.learn(stopping), "nothing is in force"
    await put_in_force(world, "lead-1", now[0])
    before = asked
    for _ in range(59):
        now[0] += timedelta(minutes=1)
        assert not await job.learn(stopping)
    assert asked == before
    now[0] += timedelta(minutes=1)
    assert await job.learn(stopping)
    assert not await job.learn(stopping)


async def put_in_force(world: World, version: str, made_at: datetime, parameters: str = "{}") -> None:
    """A lead model."""
    metrics = {"log_loss": 0.1}
    model = StoredModel(version, "lead", "challenger", parameters, metrics, 1, made_at, made_at, None, "of a test")
    async with world.engine.begin() as conn:
        await store.add(conn, model)
        await store.choose(conn, "lead", version, made_at)


async def test_the_service_has_the_models_fitted_each_night(world: World) -> None:
    registry = CollectorRegistry()
    now, bought = [utc_now()], [0.0]
    job = Refitting(world.engine, world.settings(CONFIG), lambda: now[0], lambda: bought[0], registry)
    assert not await job.step()
    assert not await job.step(), "a fresh installation waits for its first night"
    now[0] += _DAY
    assert await job.step()
    assert registry.get_sample_value("firsthour_model_fits_total", {"result": "done"}) == 1
    async with world.engine.connect() as conn:
        assert set(await store.last_fits(conn)) == {"lead", "customer"}
    (said, _) = await world.rows("SELECT said FROM fits ORDER BY kind DESC")
    assert "too few" in said.said
    now[0] = utc_now()
    assert not await job.step()
    bought[0] += 299
    assert not await job.step()
    bought[0] += 1
    assert await job.step()
    assert not await job.step(), "not each minute"


async def test_a_model_drifts_by_what_it_has_lost_on_the_newest_leads_since_it_came_in_force(world: World) -> None:
    now = utc_now()

    async def fitted(version: str, at: datetime, **metrics: Any) -> None:
        made = StoredModel(version, "lead", "challenger", "{}", metrics, 9, at, at, None, "")
        async with world.engine.begin() as conn:
            await store.add(conn, made)

    async def drift() -> float | None:
        registry = CollectorRegistry()
        job = Refitting(world.engine, world.settings(CONFIG), lambda: now, lambda: 0.0, registry)
        await job.step()
        return registry.get_sample_value("firsthour_model_drift")

    await fitted("lead-1", now - 2 * _DAY, log_loss=0.25, ece=0.0)
    async with world.engine.begin() as conn:
        await store.choose(conn, "lead", "lead-1", now)
    assert await drift() == 0.0
    await fitted("lead-2", now - _DAY, log_loss=0.125, compared={"log_loss": 0.75})
    assert await drift() == 0.5
