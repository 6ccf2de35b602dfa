"""What a person asks of one contact on the command line: why it is worth that, all of it as a file, and to be forgotten."""

import asyncio
import csv
import json
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pytest

from shared.clock import utc_now
from shared.events.envelope import encode
from shared.events.identity import Identity
from shared.events.types import ContactTouched
from shared.kafka.topics import create_topics
from tests.support.command import Command
from tests.support.scoring_service import World, a_world, scoring
from tests.unit.scoring.builders import NOW, a_lead, a_purchase, an_engagement, an_event, an_identification, minutes

ADA, BEN = {"email": "ada@example.com"}, {"email": "ben@example.com"}


@pytest.fixture
async def world(kafka: str, database: str, topic_prefix: str, tmp_path: Path) -> AsyncIterator[World]:
    async with a_world(kafka, database, topic_prefix, tmp_path) as world:
        await create_topics(kafka, world.topics, partitions=3, replication=1)
        yield world


STORY = [
    a_lead(traits={"company": "=cmd()", "country": "DE"}, **ADA),
    an_engagement(kind="meeting_booked", at=NOW + minutes(5), **ADA),
    an_identification(at=NOW + minutes(6), user_id="u-ada", source="/sources/shop", event="other"),
    an_identification(at=NOW + minutes(7), user_id="u-ada", source="/sources/shop", event="same", **ADA),
    a_purchase(at=NOW + minutes(8), **ADA),
    a_lead(event="ben", name="=1+1", **BEN),
]


async def test_a_contact_explained_exported_and_erased(world: World, tmp_path: Path) -> None:
    run = Command(database=world.database)

    async def firsthour(*arguments: str) -> str:
        ended = await asyncio.to_thread(run, *arguments)
        assert ended.code == 0, ended.err
        return ended.out

    async with scoring(world) as api:
        await world.tell(*STORY)
        await world.settled()
        (ada,) = (await api.get("/v1/contacts", **ADA))["items"]

        explained = json.loads(await firsthour("explain", "Ada@Example.com", "--json"))
        assert explained["id"] == ada["id"]
        assert explained["values"]["customer"] == ada["customer_value"]["amount"] == "35.00"
        last = {line["account"]: line["balance"] for line in explained["bookings"]}
        assert last == explained["values"]
        assert "meeting" not in await firsthour("explain", ada["id"]), "factors, and no word of the contact"

        files = {what: tmp_path / f"{what}.csv" for what in ("contacts", "bookings", "events")}
        for what, file in files.items():
            await firsthour("export", what, "--out", str(file))
        assert {file.stat().st_mode & 0o077 for file in files.values()} == {0}, "nobody else reads them"
        rows = {what: list(csv.DictReader(file.read_text().splitlines())) for what, file in files.items()}
        assert (len(rows["contacts"]), len(rows["events"])) == (2, 6)
        assert {row["factor"] for row in rows["bookings"]} >= {"source", "purchase"}
        ben = {row["email"]: row for row in rows["contacts"]}[BEN["email"]]
        assert ben["name"] == "'=1+1", "no spreadsheet runs it"

        erased = json.loads(await firsthour("erase", ADA["email"], "--yes", "--actor", "ana", "--json"))
        assert erased == {"erased": ada["id"], "events": 5}
        assert (await api.get("/v1/contacts", **ADA))["items"] == []
        assert (await api.http.get(f"/v1/contacts/{ada['id']}")).status_code == 404
        assert len((await firsthour("export", "events")).splitlines()) == 2, "a header, and Ben's"

        # The same events again, as a topic that is read anew brings them.
        for event, _ in STORY:
            await world.put(encode(event))
        await world.settled()
        assert (await api.get("/v1/contacts", **ADA))["items"] == []
        assert len((await api.get("/v1/contacts"))["items"]) == 1

        # Others of hers that had been received before, and were still on their way: no address, no fact of ours.
        now, early = utc_now(), utc_now() - minutes(10)
        about = ContactTouched(identity=Identity(contact_id=UUID(ada["id"])), who="ana", channel="phone", human=True)
        for late in (
            a_lead(event="late", at=early, **ADA),
            an_identification(at=early, user_id="u-ada", source="/sources/shop", event="late too"),
            an_event(about, name="of ours", at=early),
        ):
            await world.tell(late)
            await world.tell(late)
        await world.settled()
        assert len((await api.get("/v1/contacts"))["items"]) == 1
        assert await world.one("SELECT count(*) FROM dead_letters") == 0
        await world.tell(a_lead(event="anew", at=now, received=now + minutes(1), **ADA))
        await world.settled()
        (anew,) = (await api.get("/v1/contacts", **ADA))["items"]
        assert (anew["id"] != ada["id"], anew["version"]) == (True, 1), "who comes anew is welcome"
        await firsthour("erase", ADA["email"], "--yes", "--actor", "ana")
    for table, column in (("events", "body"), ("contacts", "state")):
        found = await world.one(f"SELECT count(*) FROM {table} WHERE position('ada@'::bytea IN {column}) > 0")
        assert found == 0
    line, _ = await world.rows("SELECT actor, action, contact_id FROM audit ORDER BY id")
    assert (line.actor, line.action, str(line.contact_id)) == ("ana", "erased", ada["id"])
    ended = await asyncio.to_thread(run, "erase", ADA["email"], "--yes")
    assert (ended.code, "ada" in ended.err) == (1, False)


async def test_what_is_exported_as_parquet_has_its_types(world: World, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="the extra `parquet` is not installed")
    run = Command(database=world.database)
    async with scoring(world):
        await world.tell(*STORY)
        await world.settled()
        rows = {}
        for what in ("contacts", "bookings", "events"):
            ended = await asyncio.to_thread(run, "export", what, "--out", str(tmp_path / f"{what}.parquet"))
            assert ended.code == 0, ended.err
            rows[what] = parquet.read_table(tmp_path / f"{what}.parquet").to_pylist()
    (ada,) = [row for row in rows["contacts"] if row["email"] == ADA["email"]]
    hers = [row for row in rows["bookings"] if (row["contact_id"], row["account"]) == (ada["id"], "customer")]
    assert sum(row["amount"] for row in hers) == ada["customer_value"] == Decimal("35.00")
    assert min(row["time"] for row in rows["bookings"]) == NOW
    assert len(rows["events"]) == 6
