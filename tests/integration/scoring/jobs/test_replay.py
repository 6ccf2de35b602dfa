"""A replay on the real tables: what is as its events say stays, what is not is put right, and live traffic loses nothing."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

import pytest

from services.scoring.config import load_scoring
from services.scoring.jobs.replay import Replaying, Report
from services.scoring.models import InForce
from shared.clock import new_id, utc_now
from shared.db.engine import make_engine
from shared.db.tables import audit
from shared.events.envelope import Decoded
from shared.events.types import Consent, Item
from shared.tokens import Actor
from tests.support.command import ROOT, Command
from tests.support.scoring_service import CONFIG, World, scoring
from tests.support.waiting import until
from tests.unit.scoring.builders import (
    NOW,
    a_feedback,
    a_lead,
    a_purchase,
    a_refund,
    a_touch,
    an_engagement,
    an_identification,
    minutes,
)

ADA, BEN, EVE = {"email": "ada@example.com"}, {"user_id": "u-ben"}, {"email": "eve@example.com"}
STATE: Final = (
    "SELECT id, version, lead_value, customer_value, stage, said, worth, merged_into, state FROM contacts ORDER BY id"
)
BOOKINGS: Final = "SELECT * FROM bookings ORDER BY contact_id, event_id, line"


def history() -> list[Decoded]:
    """Visits that turn out to be Ada's, a merge of two, orders and refunds, a form's yes, a robot, a cent of each kind."""
    bought = [Item(sku="tea"), Item(sku="cup")]
    return [
        an_engagement(anonymous_id="d", event="visit", trust="public"),
        a_lead(**ADA, anonymous_id="d", event="a", trust="public", consent=Consent(email=True), traits={"size": 60}),
        a_lead(**BEN, name="Ben", event="b", at=NOW + minutes(2)),
        a_purchase(**BEN, order_id="B", items=bought, at=NOW + minutes(3)),
        a_refund(**BEN, order_id="B", amount="30.00", at=NOW + minutes(4)),
        an_identification(**ADA, **BEN, event="merge", at=NOW + minutes(5)),
        an_engagement(**BEN, event="late", at=NOW + minutes(1)),
        a_lead(**EVE, event="e", at=NOW + minutes(6)),
        an_engagement(**EVE, event="robot", human_likelihood=0.1, at=NOW + minutes(7)),
        a_touch(**EVE, event="touch", at=NOW + minutes(8)),
        a_feedback(**EVE, event="nps", at=NOW + minutes(9)),
    ]


async def replayed(world: World, *arguments: str) -> Any:
    """What the command says."""
    command = Command(database=world.database, prefix=world.topics.prefix)
    state = ("--state", str(world.state), "--config", str(CONFIG))
    done = await asyncio.to_thread(command, "replay", *arguments, *state, "--json")
    assert done.code == 0, done.err
    return json.loads(done.out)


async def tables(world: World) -> tuple[Sequence[Any], ...]:
    asked = (STATE, BOOKINGS, "SELECT * FROM orders ORDER BY 1, 2, 3", "SELECT * FROM identities ORDER BY 1",
             "SELECT * FROM bought ORDER BY 1, 2", "SELECT * FROM funnel WHERE contacts <> 0 ORDER BY 1, 2, 3, 4, 5",
             "SELECT * FROM funnel_steps WHERE contacts <> 0 ORDER BY 1, 2, 3, 4", "SELECT * FROM bought_together ORDER BY 1, 2")  # fmt: skip
    return tuple([await world.rows(each) for each in asked])


@pytest.mark.parametrize("at_once", [True, False], ids=["in one batch", "one by one"])
async def test_an_untouched_installation_is_as_its_events_say(world: World, *, at_once: bool) -> None:
    async with scoring(world):
        for each in [history()] if at_once else [[each] for each in history()]:
            await world.tell(*each)
            if not at_once:
                await world.settled()
        await world.settled()
    before = await tables(world)
    said = await replayed(world)
    assert said == {"contacts": 2, "events": 11, "different": 0, "differences": {}, "kept": {}, "booked": {},
                    "switched": False}  # fmt: skip
    assert await tables(world) == before
    command = Command(database=world.database)
    plain = await asyncio.to_thread(command, "replay", "--state", str(world.state), "--config", str(CONFIG))
    assert plain.out == "2 contacts and 11 events: 0 contacts differ.\n"


async def test_what_was_corrupted_is_found_by_its_kind_and_put_right(world: World) -> None:
    async with scoring(world) as api:
        await world.tell(*history())
        await world.settled()
        facts = {}
        for who in ("ada@example.com", "eve@example.com"):
            (facts[who],) = (await api.get("/v1/contacts", email=who))["items"]
        updates = len(await world.updates(11))
        before = await tables(world)
        (ada, eve) = (UUID(each["id"]) for each in facts.values())
        for sql in (
            "UPDATE contacts SET state = replace(convert_from(state, 'UTF8'), 'Ben', 'Bob')::bytea WHERE id = :ada",
            "DELETE FROM funnel",
            "UPDATE orders SET paid = 1 WHERE contact_id = :ada",
            "DELETE FROM bought WHERE contact_id = :ada AND item = 'tea'",
            "DELETE FROM identities WHERE key = 'email:ada@example.com'",
            "UPDATE contacts SET lead_value = 5, worth = NULL, curve = NULL WHERE id = :eve",
            "DELETE FROM bookings WHERE contact_id = :eve AND factor = 'source'",
        ):
            given = {name: who for name, who in (("ada", ada), ("eve", eve)) if f":{name}" in sql}
            await world.rows(sql + " RETURNING 1", **given)
        corrupted = await tables(world)
        said = await replayed(world, "--compare-only")
        assert (said["different"], said["switched"]) == (2, False)
        assert {kind: each["some"] for kind, each in said["differences"].items()} == {
            "words": [str(ada)], "orders": [str(ada)], "bought": [str(ada)], "identities": [str(ada)],
            "columns": sorted([str(ada), str(eve)]), "bookings": [str(eve)], "sums": [],
        }  # fmt: skip
        assert await tables(world) == corrupted
        said = await replayed(world, "--actor", "zoe")
        assert (said["different"], said["switched"]) == (2, True)
        await world.books_balance()
        after = await tables(world)
        assert [row[:7] for row in after[0]] == [row[:7] for row in before[0]]
        for one, other in zip(after[2:], before[2:], strict=True):
            assert one == other
        for who, fact in facts.items():
            (found,) = (await api.get("/v1/contacts", email=who))["items"]
            assert found | {"updated_at": fact["updated_at"]} == fact
        assert {row.factor for row in after[1] if row.contact_id == eve} >= {"replay"}
        assert await world.one("SELECT actor FROM audit WHERE action = 'replayed'") == "zoe"
        assert (await replayed(world))["different"] == 0
        assert len(await world.updates(updates)) == updates, "no follow-up comes of it"
        await world.tell(a_purchase(**EVE, order_id="E", at=NOW + minutes(60)))
        await world.settled()
        await world.books_balance()


async def test_a_state_that_cannot_be_read_is_made_from_its_events_alone(world: World) -> None:
    async with scoring(world):
        await world.tell(a_lead(**EVE, name="Eve"), a_purchase(**EVE))
        await world.settled()
        good = await world.one("SELECT state FROM contacts")
        await world.rows("UPDATE contacts SET state = 'x' RETURNING 1")
        assert (await replayed(world))["differences"].keys() == {"state"}
        assert await world.one("SELECT state FROM contacts") == good
        await world.books_balance()


async def test_whose_events_are_gone_is_kept_and_said_and_who_was_erased_stays_away(world: World) -> None:
    async with scoring(world):
        await world.tell(a_lead(**ADA), a_purchase(**ADA), a_lead(**EVE, event="e"), a_lead(email="no@example.com"))
        await world.settled()
        command = Command(database=world.database)
        state = ("--state", str(world.state), "--config", str(CONFIG))
        erased = await asyncio.to_thread(command, "erase", "no@example.com", "--yes", *state)
        assert erased.code == 0, erased.err
        ada = await world.one("SELECT contact_id FROM identities WHERE key = 'email:ada@example.com'")
        await world.rows("DELETE FROM events WHERE contact_id = :ada AND type = 'lead.captured' RETURNING 1", ada=ada)
        before = await tables(world)
        said = await replayed(world)
        assert said["kept"] == {"events are no longer stored": {"contacts": 1, "some": [str(ada)]}}
        assert (said["contacts"], said["different"]) == (2, 0)
        assert await tables(world) == before


async def test_two_who_were_parted_stay_two(world: World) -> None:
    async with scoring(world):
        await world.tell(*history())
        await world.settled()
        command = Command(database=world.database)
        state = ("--state", str(world.state), "--config", str(CONFIG))
        assert (await asyncio.to_thread(command, "contacts", "split", "ada@example.com", *state)).code == 0
        world.sent += 2
        await world.settled()
        before = await tables(world)
        assert (await replayed(world))["different"] == 0
        assert await tables(world) == before


async def in_this_process(world: World, told: Any) -> Report:
    engine = make_engine(world.database, application="replay", schema="scoring", pool_size=1, patient=True)
    try:
        replaying = Replaying(engine, InForce(load_scoring(CONFIG)), world.topics.events_bulk, utc_now, new_id, told)
        return await replaying.run(Actor("zoe", audit.COMMAND))
    finally:
        await engine.dispose()


async def test_what_comes_meanwhile_is_not_lost(world: World) -> None:
    """Everybody has been made anew; then somebody new comes, one is heard of again, and two are merged."""
    async with scoring(world) as api:
        leads = [a_lead(email=f"{name}@example.com", event=name) for name in ("x", "idle")]
        await world.tell(*history(), *leads)
        await world.settled()
        await world.rows(
            "UPDATE contacts SET lead_value = 5 WHERE open_since IS NOT NULL AND merged_into IS NULL RETURNING 1"
        )

        before = world.sent

        async def meanwhile(_done: int, _of: int) -> None:
            if world.sent > before:
                return
            await world.tell(
                a_lead(email="new@example.com", event="new"),
                a_purchase(**EVE, order_id="E", at=NOW + minutes(20)),
                an_identification(**EVE, user_id="u-x", event="x1"),
                an_identification(email="x@example.com", user_id="u-x", event="x2"),
            )
            await world.settled()

        report = await in_this_process(world, meanwhile)
        assert report.switched
        assert report.kinds.keys() == {"columns"}
        await world.books_balance()
        for who in ("new@example.com", "eve@example.com", "x@example.com"):
            (found,) = (await api.get("/v1/contacts", email=who))["items"]
            assert found["purchases"] == (who != "new@example.com")
        assert (await replayed(world))["different"] == 0
        assert await world.one("SELECT count(*) FROM events WHERE contact_id IS NOT NULL") == world.sent


async def test_killed_before_the_switch_it_has_changed_nothing_and_the_next_one_begins_anew(world: World) -> None:
    async with scoring(world):
        await world.tell(*history())
        await world.settled()
    await world.rows(
        "UPDATE contacts SET lead_value = 5 WHERE open_since IS NOT NULL AND merged_into IS NULL RETURNING 1"
    )
    before = await tables(world)
    environment = {**os.environ, "FIRSTHOUR_DATABASE": world.database, "FIRSTHOUR_TOPIC_PREFIX": world.topics.prefix}
    command = (
        sys.executable,
        "-m",
        "services.cli.main",
        "replay",
        "--state",
        str(world.state),
        "--config",
        str(CONFIG),
    )
    async with world.engine.connect() as holding:
        async with holding.begin():
            await holding.exec_driver_sql("SELECT id FROM contacts FOR UPDATE")
            child = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
            try:
                waits = """
                    SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid)
                    WHERE NOT granted AND mode = 'ExclusiveLock' AND application_name = 'firsthour-replay'
                """

                async def at_the_switch() -> bool:
                    return bool(await world.one(waits))

                await until(at_the_switch, 40)
            finally:
                child.send_signal(signal.SIGKILL)
                child.wait()
        assert await tables(world) == before

        async def swept() -> bool:
            return not await world.one("SELECT count(*) FROM pg_class WHERE relname LIKE 'replayed%'")

        await until(swept, 40)
    assert (await replayed(world))["switched"]
    await world.books_balance()
