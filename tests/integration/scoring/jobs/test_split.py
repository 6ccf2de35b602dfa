"""A merge undone on the real tables: events, keys, orders, bookings and values of two people, and never joined again."""

import asyncio
import json
from typing import Any

import pytest

from shared.events.identity import Identity
from tests.support.command import Command
from tests.support.scoring_service import CONFIG, World, scoring
from tests.unit.scoring.builders import (
    NOW,
    a_lead,
    a_purchase,
    a_referral,
    an_engagement,
    an_identification,
    minutes,
)

ADA, BEN = {"email": "ada@example.com"}, {"user_id": "u-ben"}


async def split(world: World, *arguments: str) -> Any:
    command = Command(database=world.database)
    state = ("--state", str(world.state), "--config", str(CONFIG))
    return await asyncio.to_thread(command, "contacts", "split", *arguments, *state, "--json")


@pytest.mark.parametrize("at_once", [True, False], ids=["in one batch", "one by one"])
async def test_two_people_again_with_all_that_is_theirs(world: World, *, at_once: bool) -> None:
    before = [
        a_lead(**ADA, name="Ada", traits={"country": "GB"}),
        a_purchase(**ADA, order_id="A", at=NOW + minutes(1)),
        a_lead(**BEN, name="Ben", event="b", at=NOW + minutes(2)),
        a_purchase(**BEN, order_id="B", amount="60.00", at=NOW + minutes(3)),
    ]
    merge = an_identification(**ADA, **BEN, event="merge", at=NOW + minutes(4))
    since = [
        an_engagement(**BEN, event="since", at=NOW + minutes(5)),
        a_purchase(**BEN, order_id="C", amount="10.00", at=NOW + minutes(6)),
    ]
    async with scoring(world) as api:
        for each in [[*before, merge, *since]] if at_once else [[each] for each in (*before, merge, *since)]:
            await world.tell(*each)
            if not at_once:
                await world.settled()
        await world.settled()
        (one,) = (await api.get("/v1/contacts"))["items"]
        assert one["customer_value"]["amount"] == "59.50"
        assert (await split(world, "nobody@example.com")).code == 1
        done = await split(world, "ada@example.com", "--actor", "zoe")
        assert done.code == 0, done.err
        said = json.loads(done.out)
        assert said["events"] == 4
        assert {said["contact"], said["parted"]} == {each["id"] for each in (await api.get("/v1/contacts"))["items"]}
        world.sent += 2  # `contact.parted`, of each
        await world.settled()
        await world.books_balance()
        (ada,) = (await api.get("/v1/contacts", email="ada@example.com"))["items"]
        (ben,) = (await api.get("/v1/contacts", user_id="u-ben", source="website"))["items"]
        assert (ada["name"], ada["customer_value"]["amount"], ada["purchases"]) == ("Ada", "35.00", 1)
        assert (ben["name"], ben["customer_value"]["amount"], ben["purchases"]) == ("Ben", "24.50", 2)
        assert (ben["email"], ben["country"]) == (None, None)
        assert ben["id"] == said["parted"]
        factors = {each["factor"] for each in await api.pages(f"/v1/contacts/{ben['id']}/bookings")}
        assert "purchase" in factors
        updates = [each for each in await world.updates(9) if each.data.event_type == "contact.parted"]
        parted = {str(each.data.contact.id): [str(other) for other in each.data.parted] for each in updates}
        assert parted == {ada["id"]: [ben["id"]], ben["id"]: [ada["id"]]}
        assert all(each.data.contact.version > one["version"] for each in updates)
        assert await world.one("SELECT actor FROM audit WHERE action = 'split'") == "zoe"

        again = an_identification(**ADA, **BEN, event="again", at=NOW + minutes(60))
        await world.tell(again, an_engagement(**BEN, event="alone", at=NOW + minutes(61)))
        await world.settled()
        assert len((await api.get("/v1/contacts"))["items"]) == 2
        events = await api.pages(f"/v1/contacts/{ben['id']}/events", order="desc", limit=500)
        assert {each["type"] for each in events} >= {"contact.parted", "engagement.recorded"}
        await world.books_balance()
        assert (await split(world, "ada@example.com")).code == 1, "nothing is left to part"


async def test_of_several_the_one_is_named_and_what_cannot_be_told_apart_is_refused(world: World) -> None:
    async with scoring(world) as api:
        names = [{"user_id": f"u-{n}"} for n in range(3)]
        await world.tell(*(a_lead(**name, event=f"lead {n}") for n, name in enumerate(names)))
        for n in (1, 2):
            for m in (0, n):
                await world.tell(an_identification(email="x@example.com", **names[m], event=f"{n}-{m}"))
        await world.settled()
        (contact,) = (await api.get("/v1/contacts"))["items"]
        several = await split(world, contact["id"])
        assert several.code == 1
        assert "several were merged" in several.err
        losers = [str(row.loser) for row in await world.rows("SELECT loser FROM merges")]
        assert all(each in several.err for each in losers)
        assert len(losers) == 2
        await world.rows("DELETE FROM merges WHERE loser = :one RETURNING 1", one=losers[0])
        older = await split(world, contact["id"], "--part", losers[0])
        assert (older.code, "older version" in older.err) == (1, True)
        await world.rows("UPDATE bookings SET model = 'compacted' WHERE contact_id = :id RETURNING 1", id=contact["id"])
        gone = await split(world, contact["id"], "--part", losers[1])
        assert (gone.code, "no longer stored" in gone.err) == (1, True)
        await world.books_balance()


async def test_whoever_named_somebody_has_the_credit_again(world: World) -> None:
    eve, zoe = Identity(email="eve@example.com"), Identity(email="zoe@example.com")
    async with scoring(world):
        await world.tell(
            a_lead(**ADA),
            a_referral(**ADA, referred=zoe, event="ada's", at=NOW + minutes(1)),
            a_lead(**BEN, event="b", at=NOW + minutes(1)),
            a_referral(**BEN, referred=eve, event="ben's", at=NOW + minutes(2)),
            an_identification(**ADA, **BEN, event="merge", at=NOW + minutes(3)),
            a_purchase(email="eve@example.com", amount="100.00", at=NOW + minutes(4)),
        )
        await world.settled()
        done = await split(world, "ada@example.com")
        assert done.code == 0, done.err
        world.sent += 2
        await world.settled()
    named = await world.rows("SELECT key, contact_id FROM referrals ORDER BY key")
    said = json.loads(done.out)
    assert [(row.key, str(row.contact_id)) for row in named] == [
        ("email:eve@example.com", said["parted"]),
        ("email:zoe@example.com", said["contact"]),
    ]
