"""The figures of waiting work count each lead once, and only those whom somebody should have reached."""

from datetime import date, timedelta

from services.scoring.domain.responses import Bucket, Sums
from services.scoring.store import figures, responses
from shared.clock import utc_now
from tests.support.folding import folding
from tests.unit.scoring.builders import a_lead, a_touch, an_identification


async def test_open_leads_are_counted_without_who_was_merged_away_and_by_whether_they_were_reached(
    database: str,
) -> None:
    two_hours_ago = utc_now() - timedelta(hours=2)
    one, other, reached, new, old = ({"email": f"{n}@example.com"} for n in ("one", "other", "reached", "new", "old"))
    async with folding(database) as scoring:
        await scoring.folds(*[a_lead(**who, event=str(who), at=two_hours_ago) for who in (one, other, reached)])
        await scoring.folds(a_lead(**new, event="new", at=utc_now()))
        await scoring.folds(a_lead(**old, event="old", at=utc_now() - timedelta(hours=25)))
        await scoring.folds(a_touch(**reached, at=two_hours_ago + timedelta(minutes=1)))
        for who in (one, other):
            await scoring.folds(an_identification(**who, user_id="u", event=(who, "same"), at=utc_now()))
        assert await scoring.one("SELECT count(*) FROM contacts WHERE merged_into IS NOT NULL") == 1
        async with scoring.engine.connect() as conn:
            found = await figures.open_leads(conn)
    assert found == figures.OpenLeads(everyone=3, untouched=2, came=2, unreached=1)


async def test_answers_count_from_the_first_of_the_days_that_are_asked_for(database: str) -> None:
    first, before = date(2026, 3, 2), date(2026, 3, 1)
    one = Sums(1, 10, 100.0)
    async with folding(database) as scoring:
        for day in (before, first, first + timedelta(days=1)):
            async with scoring.engine.begin() as conn:
                await responses.add(
                    conn, {Bucket(day, "website", "ana", 3): one, Bucket(day, "website", "ben", 3): one}
                )
        async with scoring.engine.connect() as conn:
            found = await responses.since(conn, first)
    assert [(each.rep, each.sums) for each in found] == [("ana", Sums(2, 20, 200.0)), ("ben", Sums(2, 20, 200.0))]
