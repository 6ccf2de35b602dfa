"""The figures of waiting work count each lead once, and only those whom somebody should have reached."""

from datetime import timedelta

from services.scoring.store import figures
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
