"""The response curve is learnt from stored events, and is in force while scoring runs."""

import random
from datetime import timedelta

from services.scoring.config import load_scoring
from services.scoring.domain.model.queue_settings import FittedCurve
from services.scoring.store import models as store
from services.scoring.training.fit import fit_models
from shared.clock import utc_now
from tests.support.scoring_service import CONFIG, World, scoring
from tests.support.waiting import until
from tests.unit.scoring.builders import a_lead, a_purchase, a_touch

_DAY = timedelta(days=1)


async def tell_a_past(world: World, leads: int = 600) -> None:
    """A world in which delay costs nothing: half of the leads buy, however late somebody calls."""
    dice, begin = random.Random(3), utc_now() - 300 * _DAY
    for n in range(leads):
        came, who = begin + n * _DAY / 4, f"p{n}@example.com"
        called = came + timedelta(minutes=dice.choice([1, 5, 30, 240]))
        events = [a_lead(email=who, at=came, event=f"l{n}"), a_touch(email=who, at=called, event=f"t{n}")]
        if dice.random() < 0.5:
            events.append(a_purchase(email=who, at=came + _DAY, order_id=f"o{n}", event=f"o{n}"))
        await world.tell(*events, partition=n % 3)
    await world.tell(a_lead(email="unanswered@example.com", at=begin, event="unanswered"))
    bought_unanswered = "nobody-called@example.com"
    await world.tell(a_lead(email=bought_unanswered, at=begin, event="bought"))
    await world.tell(a_purchase(email=bought_unanswered, at=begin + _DAY, order_id="bought", event="order"))
    await world.settled()


async def test_the_curve_is_learnt_from_who_was_answered_and_takes_the_place_of_the_one_that_is_set(
    world: World,
) -> None:
    settings = load_scoring(CONFIG)
    async with scoring(world) as api:
        set_ = await api.get("/v1/response-curve")
        assert set_["fitted"] is None
        await tell_a_past(world)
        await fit_models(world.engine, settings, ["lead"], utc_now())

        async def in_force() -> bool:
            return (await api.get("/v1/response-curve"))["fitted"] is not None

        await until(in_force, 40)
        curve = await api.get("/v1/response-curve")
        fitted = curve["fitted"]
        assert (fitted["answers"], fitted["in_force"]) == (600, True), "those whom nobody called teach nothing"
        assert 250 < fitted["bought"] < 350
        assert fitted["low"] <= fitted["steepness"] <= fitted["high"] < 0.5, "delay costs little here"
        assert curve["beta"] == set_["beta"] * fitted["steepness"]
        for now, before in zip(curve["points"][1:], set_["points"][1:], strict=True):
            assert before["left"] < now["low"] <= now["left"] <= now["high"]

        stored = await _curves(world)
        await fit_models(world.engine, settings, ["lead"], utc_now())
        assert [each.steepness for each in (await _curves(world)).values()] == [
            each.steepness for each in stored.values()
        ], "what is in force is not learnt from again"


async def _curves(world: World) -> dict[str, FittedCurve]:
    async with world.engine.connect() as conn:
        return await store.curves(conn)
