"""The four questions: what is said, and how bad it is."""

from hypothesis import given
from hypothesis import strategies as st

from services.cli.status.figures import Seen
from services.cli.status.judgement import Level, duration, judge

NOW = 1_800_000_000.0
WELL: dict[str, dict[str, list[tuple[dict[str, str], float]]]] = {
    "ingest": {"firsthour_ingest_disk_free_bytes": [({}, 8e9)], "firsthour_ingest_disk_size_bytes": [({}, 1e10)]},
    "scoring": {"firsthour_rollup_timestamp_seconds": [({}, NOW - 5)]},
    "nurture": {"firsthour_nurture_windows": [({"workflow": "first-hour", "state": "met"}, 3.0)]},
}


def seen(service: str, name: str, value: float, **labels: str) -> dict[str, Seen]:
    """All well, but for this figure."""
    figures = {each: dict(samples) for each, samples in WELL.items()}
    figures[service][name] = [(labels, value)]
    return {each: Seen(samples=samples) for each, samples in figures.items()}


def levels(of: dict[str, Seen]) -> list[int]:
    return [answer.level for answer in judge(of, NOW)]


def test_all_well() -> None:
    answers = judge({each: Seen(samples=samples) for each, samples in WELL.items()}, NOW)
    assert [answer.question for answer in answers] == [
        "Is anybody late?", "Is anything lost or stuck?", "What is slow?", "What is about to be full?",
    ]  # fmt: skip
    assert {answer.level for answer in answers} == {Level.WELL}
    assert answers[0].findings[0].text == "first-hour windows of the last 24 hours: 0 open, 3 met, 0 missed"


def test_each_question_has_its_own_troubles() -> None:
    assert levels(seen("nurture", "firsthour_nurture_windows", 2, workflow="w", state="at_risk")) == [1, 0, 0, 0]
    assert levels(seen("scoring", "firsthour_consumer_lag_seconds", 31, topic="firsthour.events")) == [1, 0, 0, 0]
    assert levels(seen("scoring", "firsthour_consumer_lag_seconds", 121, topic="firsthour.events")) == [2, 0, 0, 0]
    assert levels(seen("scoring", "firsthour_consumer_lag_seconds", 999, topic="firsthour.events.bulk")) == [0] * 4
    assert levels(seen("scoring", "firsthour_rollup_timestamp_seconds", NOW - 61)) == [0, 2, 0, 0]
    assert levels(seen("ingest", "firsthour_ingest_spool_pending", 5)) == [0, 1, 0, 0]
    assert levels(seen("nurture", "firsthour_nurture_endpoints_failing", 1, endpoint="crm")) == [0, 1, 0, 0]
    assert levels(seen("nurture", "firsthour_event_loop_lag_seconds", 3)) == [0, 0, 1, 0]
    assert levels(seen("ingest", "firsthour_ingest_disk_free_bytes", 5e8)) == [0, 0, 0, 2]


def test_a_service_that_does_not_answer_is_trouble_and_nothing_is_made_up_about_it() -> None:
    nobody = {name: Seen("no answer (ConnectError)") for name in WELL}
    answers = judge(nobody, NOW)
    assert [answer.level for answer in answers] == [0, 2, 0, 0]
    assert [finding.text for answer in answers for finding in answer.findings] == [
        "ingest: no answer (ConnectError)", "scoring: no answer (ConnectError)", "nurture: no answer (ConnectError)",
    ]  # fmt: skip


def test_what_a_service_says_itself_is_passed_on() -> None:
    halted = {**seen("scoring", "x", 1), "nurture": Seen(missing=("nurture: the live lane is halted",))}
    assert levels(halted) == [0, 2, 0, 0]
    damaged = {**seen("scoring", "x", 1), "ingest": Seen(attention=("2 damaged files",))}
    assert levels(damaged) == [0, 1, 0, 0]


def test_hops_are_read_from_the_histogram() -> None:
    hop = {"hop": "acknowledged"}
    buckets = [({**hop, "le": "0.25"}, 90.0), ({**hop, "le": "1.0"}, 96.0), ({**hop, "le": "+Inf"}, 100.0)]
    slow = Seen(samples={"firsthour_lead_hop_seconds_bucket": buckets})
    answer = judge({**seen("scoring", "x", 1), "ingest": slow}, NOW)[2]
    assert answer.findings == [(Level.ATTENTION, "95 of 100 leads are acknowledged within 1.0 s or less")]


@given(st.floats(0, 1e7))
def test_a_duration_is_short_to_read(seconds: float) -> None:
    assert len(duration(seconds)) <= 8


def test_durations() -> None:
    assert [duration(each) for each in (0.0254, 4.21, 59.6, 180, 18_000, 180_000)] == [
        "25 ms", "4.2 s", "60 s", "3 min", "5 h", "2 days",
    ]  # fmt: skip
