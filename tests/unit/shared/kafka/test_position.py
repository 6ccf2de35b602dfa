"""A position is more than a number: which log it is, and where another one is taken up."""

from hypothesis import assume, given
from hypothesis import strategies as st

from shared.db.tables.offsets import Progress
from shared.kafka.loop.position import fingerprint, judge, taken_up
from shared.kafka.records import Record

OFFSETS = st.integers(0, 50)
KEYS = st.none() | st.binary(max_size=3)
RECORDS = st.builds(Record, st.just("t"), st.just(0), OFFSETS, KEYS, st.binary(max_size=3), st.integers(0, 3))


@st.composite
def progresses(draw: st.DrawFn) -> Progress:
    base, read = draw(OFFSETS), draw(OFFSETS)
    following = base + read
    return Progress(following, draw(st.integers(0, following)), base, draw(st.none() | st.just(b"known")))


@given(progresses(), OFFSETS, OFFSETS)
def test_what_was_taken_up_goes_on_at_the_log_s_first_record_and_passes_every_check(
    progress: Progress, first: int, length: int
) -> None:
    found = judge(progress, first=first, end=first + length)
    position = progress.next_offset - progress.base
    assert (found in ("goes on", "to compare")) == (first <= position <= first + length)
    assume(found != "goes on")
    after = taken_up(progress, "another log" if found == "to compare" else found, first=first)
    assert after.next_offset - after.base == first
    assert after.next_offset >= progress.next_offset, "no offset of the old log is ever used again"
    assert 0 <= after.base <= after.next_offset
    assert after.published == progress.published, "what was not published yet still is"
    assert judge(after, first=first, end=first + length) == "goes on"


@given(RECORDS, RECORDS)
def test_a_fingerprint_tells_records_apart_by_time_key_and_value(one: Record, other: Record) -> None:
    def content(record: Record) -> tuple[object, ...]:
        return (record.timestamp, record.key or b"", record.value)

    assert (fingerprint(one) == fingerprint(other)) == (content(one) == content(other))
    assert len(fingerprint(one)) == 16


def test_a_fingerprint_is_the_same_for_ever() -> None:
    """It is compared with what an earlier release has stored: another one halts every lane."""
    record = Record("events", 3, 17, b"key", b"value", 1_772_445_600_000)
    assert fingerprint(record).hex() == "fc470045ceeec95d2b6d752ae9663302"
    assert fingerprint(record._replace(key=None)).hex() == "2f5916cc635641d450a30005103193fb"
