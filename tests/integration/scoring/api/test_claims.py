"""Who has whom: one holder at a time, nobody lost, and everything told."""

import asyncio
import json
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from services.scoring.claiming import LEASE, Claiming, Held
from services.scoring.facts import FactMaker
from services.scoring.store.claims import Claim
from services.scoring.store.contacts import batch
from shared.clock import new_id, utc_now
from tests.support.command import Command
from tests.support.scoring_service import Api, World, scoring
from tests.support.waiting import until
from tests.unit.scoring.builders import a_contact, a_lead, an_identification, minutes

BEGIN = utc_now()


async def post(api: Api, path: str, **body: Any) -> tuple[int, Any]:
    answer = await api.http.post(f"/v1/{path}", json=body)
    return answer.status_code, answer.json()


async def test_a_claim_from_the_queue_to_its_end(world: World) -> None:
    async with scoring(world) as api:
        for n in range(3):
            at = utc_now() - minutes(60 * n)
            await world.tell(a_lead(email=f"p{n}@example.com", name="\x1b[2JEve", at=at, event=n))
        await world.settled()
        items = (await api.get("/v1/queue"))["items"]
        order = [each["contact"]["id"] for each in items]
        ended = await asyncio.to_thread(Command(database=world.database), "queue", "--json")
        assert [each["contact"]["id"] for each in json.loads(ended.out)["items"]] == order
        ended = await asyncio.to_thread(Command(database=world.database), "queue")
        assert ended.out.count(r"\x1b[2JEve") == 3, "a terminal obeys no name"
        ended = await asyncio.to_thread(Command(database=world.database), "queue", "--country", "XX")
        assert ended.out.strip() == "nobody waits"
        assert items[0]["why"].startswith("Waits for 0 minutes; another hour costs ")
        assert [each["minutes"] for each in items[0]["loss"]] == [0, 1, 2, 5, 10, 20, 30, 45, 60]

        _, first = await post(api, "queue/claim-next", who="ana")
        _, second = await post(api, "queue/claim-next", who="ben")
        assert [first["contact_id"], second["contact_id"]] == order[:2]
        assert [each["contact"]["id"] for each in (await api.get("/v1/queue"))["items"]] == order[2:]
        status, problem = await post(api, f"contacts/{order[0]}/claim", who="ben")
        assert status == 409
        assert problem["title"].startswith("ana has this contact since 20")
        assert (await post(api, f"contacts/{order[0]}/claim", who="ana"))[1] == first
        assert (await post(api, f"claims/{first['id']}/extend"))[1]["until"] > first["until"]

        assert (await post(api, f"claims/{first['id']}/release"))[0] == 200
        assert (await post(api, f"claims/{first['id']}/release"))[0] == 200, "done is done"
        status, problem = await post(api, f"claims/{first['id']}/extend")
        assert (status, problem["title"]) == (409, "This claim was given back")
        assert (await post(api, f"claims/{second['id']}/snooze"))[0] == 422
        assert (await post(api, f"claims/{second['id']}/snooze", minutes=30))[1]["ended"] == "snoozed"
        assert [each["contact"]["id"] for each in (await api.get("/v1/queue"))["items"]] == [order[0], order[2]]
        assert (await post(api, f"contacts/{uuid4()}/claim", who="ana"))[0] == 404
        assert (await post(api, f"claims/{uuid4()}/release"))[0] == 404

        for _ in range(2):
            assert (await post(api, "queue/claim-next", who="ana"))[0] == 200
        assert (await post(api, "queue/claim-next", who="ana"))[0] == 404
        world.sent += 7  # two claims, one longer, two ended, two more
        await world.settled()
        kinds = [msgspec.json.decode(each.data.event)["type"] for each in await world.updates(10)]
        assert (kinds.count("contact.claimed"), kinds.count("contact.released")) == (5, 2)


async def test_the_next_of_a_source_or_a_country_is_taken_on_and_nobody_else(world: World) -> None:
    async with scoring(world) as api:
        told = [("website", "FR"), ("shop", "DE"), ("website", "Germany")]
        for n, (source, country) in enumerate(told):
            await world.tell(
                a_lead(
                    email=f"p{n}@example.com",
                    at=utc_now() - minutes(n),
                    source=f"/sources/{source}",
                    traits={"country": country},
                    event=n,
                )
            )
        await world.settled()
        of = {each["email"]: each["id"] for each in (await api.get("/v1/contacts"))["items"]}
        _, german = await post(api, "queue/claim-next", who="ana", country="germany", source="website")
        assert german["contact_id"] == of["p2@example.com"]
        _, of_the_shop = await post(api, "queue/claim-next", who="ana", source="/sources/shop")
        assert of_the_shop["contact_id"] == of["p1@example.com"]
        assert (await post(api, "queue/claim-next", who="ana", country="DE"))[0] == 404
        assert (await post(api, "queue/claim-next", who="ana", source="a\0b"))[0] == 422
        _, other = await post(api, "queue/claim-next", who="ana")
        assert other["contact_id"] == of["p0@example.com"]


async def test_of_fifty_at_once_one_gets_the_contact(world: World) -> None:
    async with scoring(world) as api:
        await world.tell(a_lead())
        await world.settled()
        (contact,) = (await api.get("/v1/contacts"))["items"]
        answers = await asyncio.gather(
            *(post(api, f"contacts/{contact['id']}/claim", who=f"rep-{n}") for n in range(50))
        )
    assert sorted(status for status, _ in answers) == [200] + [409] * 49


async def test_what_has_run_out_is_free_again_and_told(world: World) -> None:
    claiming = Claiming(world.engine, FactMaker(b"s", new_id), new_id)
    async with scoring(world):
        await world.tell(a_lead())
        await world.settled()
    contact = await world.one("SELECT id FROM contacts")
    first = await claiming.claim(contact, "ana", BEGIN)
    assert isinstance(await claiming.claim(contact, "ben", BEGIN + LEASE - minutes(1)), Held)
    second = await claiming.claim(contact, "ben", BEGIN + LEASE)
    assert isinstance(first, Claim)
    assert isinstance(second, Claim)
    assert await claiming.extend(first.id, BEGIN + LEASE) is None
    assert await claiming.run_out(BEGIN + 2 * LEASE - minutes(1)) == 0
    assert await claiming.run_out(BEGIN + 2 * LEASE) == 1
    ended = await world.rows("SELECT ended FROM claims")
    assert [row.ended for row in ended] == ["expired", "expired"]


async def test_a_merge_leaves_the_older_claim_and_tells_of_the_other(world: World) -> None:
    email, user = {"email": "ada@example.com"}, {"user_id": "u"}
    async with scoring(world) as api:
        await world.tell(a_lead(**email), an_identification(event="i", **user))
        await world.settled()
        a, b = [each["id"] for each in (await api.get("/v1/contacts"))["items"]]
        _, older = await post(api, f"contacts/{b}/claim", who="ben")
        _, newer = await post(api, f"contacts/{a}/claim", who="ana")
        await world.tell(an_identification(event="m", at=BEGIN, **email, **user))
        world.sent += 3  # two claims, and one that ended

        async def ended() -> bool:
            return bool(await world.rows("SELECT 1 FROM claims WHERE ended = 'merged' AND told"))

        await until(ended, 30)
        await world.settled()
        (row,) = await world.rows("SELECT id, contact_id FROM claims WHERE ended_at IS NULL")
        assert str(row.id) == older["id"]
        assert (await api.get(f"/v1/contacts/{newer['contact_id']}"))["id"] == str(row.contact_id)


PEOPLE = [UUID(int=n) for n in range(1, 4)]
OPS = st.lists(
    st.one_of(
        st.tuples(st.just("claim"), st.sampled_from(PEOPLE), st.sampled_from(["ana", "ben"])),
        st.tuples(st.sampled_from(["extend", "release", "snooze"]), st.integers(0, 8), st.none()),
        st.tuples(st.just("wait"), st.integers(1, 25), st.none()),
        st.tuples(st.just("run out"), st.none(), st.none()),
        st.tuples(st.just("merge"), st.sampled_from(PEOPLE), st.sampled_from(PEOPLE)),
    ),
    max_size=25,
)


class Play:
    """What reps, time and merges do, beside a model of who has whom: contact → claim, who, until."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.claiming = Claiming(world.engine, FactMaker(b"s", new_id), new_id)
        self.now = BEGIN
        self.made: list[Claim] = []
        self.became: dict[UUID, UUID] = {}
        self.holder: dict[UUID, tuple[UUID, str, datetime]] = {}

    async def begin(self) -> None:
        for table in ("claims", "facts", "identities", "contacts"):
            await self.world.rows(f"DELETE FROM {table} RETURNING 1")
        async with self.world.engine.begin() as conn:
            await batch.insert_contacts(conn, [a_contact(n, id=n, version=1) for n in PEOPLE], BEGIN)

    async def step(self, kind: str, one: Any, other: Any) -> None:
        if kind == "wait":
            self.now += minutes(one)
        elif kind == "run out":
            await self.claiming.run_out(self.now)
            self.holder = {contact: has for contact, has in self.holder.items() if has[2] > self.now}
        elif kind == "claim":
            await self.claim(one, other)
        elif kind == "merge":
            await self.merge(self.survivor(one), self.survivor(other))
        elif one < len(self.made):
            await self.change(kind, self.made[one])

    def survivor(self, contact: UUID) -> UUID:
        while contact in self.became:
            contact = self.became[contact]
        return contact

    async def claim(self, asked: UUID, who: str) -> None:
        contact = self.survivor(asked)
        got, has = await self.claiming.claim(asked, who, self.now), self.holder.get(contact)
        if has is not None and has[2] > self.now:
            assert (got.by if isinstance(got, Held) else got).id == has[0]  # type: ignore[union-attr]
            assert isinstance(got, Held) == (has[1] != who)
            return
        assert isinstance(got, Claim)
        assert (got.contact_id, got.who, got.since) == (contact, who, self.now)
        self.made.append(got)
        self.holder[contact] = (got.id, who, got.until)

    async def merge(self, loser: UUID, survivor: UUID) -> None:
        if loser == survivor:
            return
        async with self.world.engine.begin() as conn:
            await batch.merge(conn, {loser: survivor})
        self.became[loser] = survivor
        both = [has for has in (self.holder.pop(loser, None), self.holder.pop(survivor, None)) if has is not None]
        kept = [has for has in both if has[0] in await self.open()]
        assert len(kept) == min(1, len(both)), "one of them stays"
        if kept:
            self.holder[survivor] = kept[0]

    async def change(self, kind: str, claim: Claim) -> None:
        contact = next((contact for contact, has in self.holder.items() if has[0] == claim.id), None)
        alive = contact is not None and self.holder[contact][2] > self.now
        if kind == "extend":
            got = await self.claiming.extend(claim.id, self.now)
        else:
            later = self.now + timedelta(hours=1) if kind == "snooze" else None
            got = await self.claiming.end(claim.id, self.now, later)
        assert (got is not None) == alive
        if contact is None or got is None:
            return
        if kind == "extend":
            self.holder[contact] = (claim.id, claim.who, got.until)
        else:
            del self.holder[contact]

    async def open(self) -> dict[UUID, UUID]:
        """Claim to contact, of all that have not ended."""
        rows = await self.world.rows("SELECT contact_id, id FROM claims WHERE ended_at IS NULL")
        return {row.id: row.contact_id for row in rows}

    async def holds(self) -> None:
        assert await self.open() == {has[0]: contact for contact, has in self.holder.items()}
        told = [msgspec.json.decode(bytes(row.value)) for row in await self.world.rows("SELECT value FROM facts")]
        begun = {each["data"]["claim"] for each in told if each["type"] == "contact.claimed"}
        assert begun == {str(row.id) for row in await self.world.rows("SELECT id FROM claims")}


async def test_never_two_holders_and_nobody_lost(world: World) -> None:
    loop = asyncio.get_running_loop()

    async def play(ops: list[tuple[str, Any, Any]]) -> None:
        of = Play(world)
        await of.begin()
        for op in ops:
            await of.step(*op)
            await of.holds()

    @settings(max_examples=40, deadline=None)
    @given(OPS)
    def any_order(ops: list[tuple[str, Any, Any]]) -> None:
        asyncio.run_coroutine_threadsafe(play(ops), loop).result(60)

    await asyncio.to_thread(any_order)
