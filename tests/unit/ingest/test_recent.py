"""What is remembered of each source: the last event, and the requests of an hour by the minute."""

from datetime import UTC, datetime, timedelta

from services.ingest.accept.recent import NOBODY, Minute, Recent

NOW = datetime(2026, 3, 2, 10, 0, 30, tzinfo=UTC)
MINUTE = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)


def minutes(count: int) -> timedelta:
    return timedelta(minutes=count)


def test_what_was_accepted_and_refused_is_counted_by_the_minute() -> None:
    recent = Recent(["website", "shop"], NOW)
    recent.accepted("website", 3, NOW)
    recent.accepted("website", 2, NOW + timedelta(seconds=29))
    recent.refused("website", NOW + minutes(1))
    website = recent.sources["website"]
    assert website.last_minutes(NOW + minutes(1)) == [Minute(MINUTE + minutes(1), 0, 1), Minute(MINUTE, 5, 0)]
    assert website.last_event == NOW + timedelta(seconds=29), "what is refused is no event"
    assert recent.sources["shop"].last_minutes(NOW) == []
    assert recent.sources["shop"].last_event is None


def test_an_hour_is_shown_and_no_more_is_kept() -> None:
    recent = Recent(["website"], NOW)
    for minute in range(200):
        recent.accepted("website", 1, NOW + minutes(minute))
    website = recent.sources["website"]
    assert len(website.minutes) == 60
    shown = website.last_minutes(NOW + minutes(199))
    assert [each.begins for each in shown] == [MINUTE + minutes(199 - ago) for ago in range(60)]
    assert len(website.last_minutes(NOW + minutes(200))) == 59, "the oldest minute is over an hour old"


def test_who_is_no_source_has_no_entry_and_its_requests_are_nobodys() -> None:
    recent = Recent(["website"], NOW)
    recent.accepted("made up", 1, NOW)
    recent.refused("made up", NOW)
    recent.refused(None, NOW)
    assert recent.sources.keys() == {"website", NOBODY}
    assert recent.sources[NOBODY].last_minutes(NOW) == [Minute(MINUTE, 0, 1)]
