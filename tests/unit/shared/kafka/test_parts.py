"""A large batch in parts: nothing is lost, no topic partition is in two of them, and each keeps its order."""

from hypothesis import given
from hypothesis import strategies as st

from shared.kafka.loop.parts import SIDE_BY_SIDE, parts
from shared.kafka.records import Record

places = st.lists(st.tuples(st.sampled_from(("live", "bulk")), st.integers(0, 5)), max_size=600)


def records(of: list[tuple[str, int]]) -> list[Record]:
    """One after the other, numbered as they come."""
    return [Record(topic, partition, number, None, b"", 0) for number, (topic, partition) in enumerate(of)]


@given(places.map(records))
def test_nothing_is_lost_and_each_partition_is_in_one_part_in_its_order(read: list[Record]) -> None:
    found = parts(read)
    assert len(found) <= SIDE_BY_SIDE
    assert sorted(record.offset for part in found for record in part) == [record.offset for record in read]
    of = [{(record.topic, record.partition) for record in part} for part in found]
    assert sum(map(len, of)) == len(set().union(*of)), "no topic partition is in two parts"
    for part in found:
        for place in {(record.topic, record.partition) for record in part}:
            mine = [record.offset for record in part if (record.topic, record.partition) == place]
            assert mine == sorted(mine)


def test_a_large_batch_is_divided_as_evenly_as_its_partitions_allow() -> None:
    even = parts(records([("live", number % 6) for number in range(300)]))
    assert [len(part) for part in even] == [100, 100, 100]
    skewed = parts(records([("live", 0)] * 200 + [("live", 1)] * 60 + [("live", 2)] * 40 + [("bulk", 2)] * 30))
    assert sorted(len(part) for part in skewed) == [60, 70, 200]


def test_what_is_small_or_of_one_partition_stays_whole() -> None:
    assert len(parts(records([("live", number % 6) for number in range(299)]))) == 1
    assert len(parts(records([("live", 3)] * 500))) == 1
    assert parts([]) == [[]]
