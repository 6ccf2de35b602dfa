"""`firsthour dead-letters`: what scoring set aside is listed, shown and sent again, once."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from shared.kafka.topics import create_topics
from tests.support.command import Command
from tests.support.scoring_service import PARTITIONS, World, a_world, scoring

UNKNOWN = json.dumps(
    {
        "specversion": "1.0", "id": "00000000-0000-4000-8000-000000000001", "source": "/sources/shop",
        "type": "of.tomorrow", "time": "2026-01-01T00:00:00Z", "receivedtime": "2026-01-01T00:00:00Z",
        "data": {"email": "ada@example.com"},
    }
).encode()  # fmt: skip
HOSTILE = b"\x1b[2Jada@example.com\xff"


@pytest.fixture
async def world(kafka: str, database: str, topic_prefix: str, tmp_path: Path) -> AsyncIterator[World]:
    async with a_world(kafka, database, topic_prefix, tmp_path) as world:
        await create_topics(kafka, world.topics, partitions=PARTITIONS, replication=1)
        yield world


@pytest.fixture
def firsthour(world: World) -> Command:
    return Command(database=world.database, kafka=world.kafka, prefix=world.topics.prefix)


async def run(firsthour: Command, *arguments: str) -> tuple[int, str, str]:
    return await asyncio.to_thread(firsthour, *arguments)


async def test_what_was_set_aside_is_listed_shown_and_sent_again_once(world: World, firsthour: Command) -> None:
    async with scoring(world):
        await world.put(HOSTILE)
        await world.put(UNKNOWN, partition=3, bulk=True)
        await world.messages(world.topics.dead_letters, 2)

        code, out, _ = await run(firsthour, "dead-letters", "list")
        assert code == 0
        lines = out.splitlines()
        assert [line.split("  ")[0] for line in lines] == ["scoring/live/0/0", "scoring/bulk/3/0"]
        assert "permanent  shop  unknown event type" in lines[1]
        assert "ada@" not in out

        code, out, _ = await run(firsthour, "dead-letters", "list", "--json", "--source", "shop", "--since", "1h")
        (item,) = json.loads(out)["items"]
        assert (item["id"], item["attempt"], item["redriven_at"]) == ("scoring/bulk/3/0", 1, None)
        for options in (["--service", "nurture"], ["--kind", "unforeseen"], ["--source", "website"]):
            assert json.loads((await run(firsthour, "dead-letters", "list", "--json", *options))[1]) == {"items": []}

        code, out, _ = await run(firsthour, "dead-letters", "show", "scoring/live/0/0")
        assert code == 0
        assert "\x1b" not in out
        assert r"\x1b[2Jada@example.com\xff" in out
        shown = json.loads((await run(firsthour, "dead-letters", "show", "scoring/bulk/3/0", "--json"))[1])
        assert base64.b64decode(shown["value"]) == UNKNOWN
        assert base64.b64decode(shown["key"]) == b"k"

        code, out, _ = await run(firsthour, "dead-letters", "redrive", "scoring/bulk/3/0", "--json")
        assert (code, json.loads(out)) == (0, {"redriven": ["scoring/bulk/3/0"], "before": []})
        letters = await world.messages(world.topics.dead_letters, 3)
        again = next(each for each in letters if dict(each.headers)["attempt"] == b"2")
        assert (again.key, again.value) == (b"k", UNKNOWN)
        first = next(each for each in letters if each.value == UNKNOWN and dict(each.headers)["attempt"] == b"1")
        assert dict(again.headers)["first-failed-at"] == dict(first.headers)["failed-at"]

        code, out, err = await run(firsthour, "dead-letters", "redrive", "--all", "--source", "shop")
        assert code == 0
        assert len(out.splitlines()) == 1, "only the new one: the old one was sent again before"
        assert "1 had been sent again before" in err
        code, out, _ = await run(firsthour, "dead-letters", "list", "--source", "shop")
        assert "redriven 20" in out.splitlines()[0]


async def test_a_letter_of_another_installation_goes_back_to_none_of_our_topics(
    world: World, firsthour: Command
) -> None:
    where = {
        "consumer": f"{world.topics.prefix}scoring",
        "origin-topic": "theirs",
        "origin-partition": "0",
        "origin-offset": "7",
    }
    for topic in ("theirs", world.topics.dead_letters, world.topics.events):
        headers = [(name, value.encode()) for name, value in (where | {"origin-topic": topic}).items()]
        await world.producer.send_and_wait(world.topics.dead_letters, b"{}", key=b"k", headers=headers)
    code, out, _ = await run(firsthour, "dead-letters", "list", "--json")
    assert (code, [each["topic"] for each in json.loads(out)["items"]]) == (0, [world.topics.events])


async def test_wrong_use_is_2_and_what_is_not_there_1(world: World, firsthour: Command) -> None:
    for wrong in (
        ["show", "everything"],
        ["list", "--since", "soon"],
        ["redrive"],
        ["redrive", "--all", "scoring/live/0/0"],
    ):
        assert (await run(firsthour, "dead-letters", *wrong))[0] == 2, wrong
    code, out, err = await run(firsthour, "dead-letters", "show", "nurture/live/0/7")
    assert (code, out, err) == (1, "", "firsthour: there is no dead letter nurture/live/0/7\n")
    for command in ("list", "show", "redrive"):
        assert "Example: firsthour dead-letters" in (await run(firsthour, "dead-letters", command, "--help"))[1]
    away = Command(database=world.database, kafka="127.0.0.1:1")
    code, _, err = await run(away, "dead-letters", "list")
    assert code == 1
    assert "FIRSTHOUR_KAFKA" in err
    assert "Traceback" not in err
