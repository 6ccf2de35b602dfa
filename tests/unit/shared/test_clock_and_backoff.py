import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, timedelta

from hypothesis import given
from hypothesis import strategies as st

from shared.backoff import exponential
from shared.clock import id_time, new_id, utc_now


def test_ids_sort_by_the_time_they_were_made_in() -> None:
    before = utc_now()
    ids = [new_id() for _ in range(1000)]
    assert len(set(ids)) == 1000
    assert [id_time(i) for i in ids] == sorted(id_time(i) for i in ids)
    assert before - timedelta(milliseconds=2) <= id_time(ids[0]) <= utc_now()
    assert all(i.version == 7 for i in ids)
    assert utc_now().tzinfo is UTC


def test_of_two_ids_the_one_made_a_microsecond_earlier_sorts_first() -> None:
    for _ in range(1000):
        older, made = new_id(), time.perf_counter_ns()
        while time.perf_counter_ns() < made + 1000:
            pass
        assert older < new_id()


def test_no_two_threads_make_the_same_id() -> None:
    with ThreadPoolExecutor(8) as threads:
        made = threads.map(lambda _: [new_id() for _ in range(5000)], range(8))
    assert len({identifier for ids in made for identifier in ids}) == 40_000


def test_a_forked_process_does_not_make_its_parents_ids() -> None:
    script = """
import os
from shared.clock import new_id
new_id()
read, write = os.pipe()
if os.fork() == 0:
    os.write(write, b" ".join(str(new_id())[-12:].encode() for _ in range(100)))
    os._exit(0)
os.wait()
theirs = set(os.read(read, 65536).split())
assert len(theirs) == 100
assert not theirs & {str(new_id())[-12:].encode() for _ in range(300)}
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


@given(st.integers(0, 200), st.floats(0, 1, exclude_max=True))
def test_waits_grow_and_stay_bounded(attempt: int, jitter: float) -> None:
    wait = exponential(attempt, jitter=jitter, first=0.1, longest=10.0)
    assert 0.05 <= wait <= 10.0
    assert exponential(attempt + 1, jitter=jitter) >= wait
