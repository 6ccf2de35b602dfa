"""`firsthour resume` ends the halts of bad deploys, and leaves those that need another command."""

import json

import asyncpg
import pytest

from tests.support.command import Command, Ended

HALTED = "INSERT INTO {}.consumer_halts (lane, cause, reason) VALUES ('{}', '{}', 'so it is')"


@pytest.fixture
def firsthour(database: str) -> Command:
    return Command(database=database)


async def halted(database: str, *rows: tuple[str, str, str]) -> None:
    conn = await asyncpg.connect(database)
    for row in rows:
        await conn.execute(HALTED.format(*row))
    await conn.close()


async def test_it_ends_what_it_is_asked_to(firsthour: Command, database: str) -> None:
    await halted(
        database, ("scoring", "live", "failures"), ("scoring", "bulk", "failures"), ("nurture", "live", "failures")
    )
    done = firsthour("resume", "--service", "scoring", "--lane", "live", "--json")
    assert done.code == 0
    assert json.loads(done.out) == {
        "resumed": [{"service": "scoring", "lane": "live", "reason": "so it is"}],
        "halted": [],
    }
    done = firsthour("resume")
    assert done.out.splitlines() == [
        "scoring: the bulk lane continues; it was halted because so it is",
        "nurture: the live lane continues; it was halted because so it is",
    ]
    assert firsthour("resume") == Ended(0, "nothing is halted\n", "")


async def test_what_has_to_be_taken_up_is_not_resumed(firsthour: Command, database: str) -> None:
    await halted(database, ("nurture", "bulk", "position"))
    done = firsthour("resume")
    assert (done.code, done.out) == (1, "")
    assert "nurture: the bulk lane stays halted: so it is; see `firsthour topics take-up --dry-run`" in done.err


def test_wrong_use_is_2_and_an_absent_postgres_1(firsthour: Command) -> None:
    assert firsthour("resume", "--lane", "fast").code == 2
    assert "Example: firsthour resume" in firsthour("resume", "--help").out
    away = Command(database="postgresql://127.0.0.1:1/none")("resume")
    assert (away.code, away.out) == (1, "")
    assert "FIRSTHOUR_DATABASE" in away.err
    assert "Traceback" not in away.err
    shut = Command(database=firsthour.database.replace("://firsthour:", "://nobody-we-know:"))("resume")
    assert (shut.code, shut.out) == (1, "")
    assert "does not let us in" in shut.err
    assert "Traceback" not in shut.err
