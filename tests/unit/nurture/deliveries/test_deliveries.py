"""What a deliverer remembers: whether the database was away, and how an endpoint has been lately."""

import re
from collections import deque
from pathlib import Path

from services.nurture.deliveries.leases import RENEWALS, STALLED, Calm
from services.nurture.deliveries.queue import EndpointQueue, nowhere
from services.nurture.domain.deliveries.retry import Answered, Deferred, Impossible, MaybeSent, NotSent, Outcome
from shared.runtime import deadlines
from shared.runtime.deadlines import LEASE_S
from tests.unit.nurture.builders import a_given, an_id

COMPOSE = Path(__file__).parents[4] / "docker-compose.yml"


def test_at_the_start_it_is_calm() -> None:
    calm = Calm()
    assert calm.holds(0)
    calm.answered(1)
    assert calm.holds(1)


def test_a_database_that_answers_every_few_seconds_is_not_away() -> None:
    calm = Calm()
    for seconds in range(0, 60, 3):
        calm.answered(seconds)
        assert calm.holds(seconds)


def test_after_an_error_every_lease_counts_as_renewed() -> None:
    calm = Calm()
    calm.answered(1)
    calm.failed(40)
    assert not calm.holds(40)
    calm.answered(41)
    assert not calm.holds(41 + LEASE_S)
    assert calm.holds(41.1 + LEASE_S)


def test_a_database_that_hung_without_an_error_was_away_too() -> None:
    calm = Calm()
    calm.answered(1)
    calm.answered(1 + LEASE_S * STALLED)
    assert calm.holds(1 + LEASE_S * STALLED)
    calm.answered(50)
    assert not calm.holds(50 + LEASE_S)
    assert calm.holds(50.1 + LEASE_S)


def test_the_times_agree() -> None:
    assert deadlines.ATTEMPT_S < LEASE_S, "an attempt may end under the lease it began with"
    assert deadlines.ATTEMPT_S < deadlines.DRAIN_S, "what came of attempts is written before the process is cut off"
    assert deadlines.DRAIN_S < deadlines.CUT_OFF_S < deadlines.KILL_S
    (grace,) = set(re.findall(r"^  stop_grace_period: (\d+)s$", COMPOSE.read_text(), re.MULTILINE))
    assert int(grace) > deadlines.KILL_S, "Docker kills nothing that stops by itself"
    assert deadlines.MAIL_S < deadlines.MAIL_ANSWER_S, "a server that takes its time is not asked twice"
    assert deadlines.ASKED_BACK_S < deadlines.CONNECT_S < deadlines.LOOK_S < deadlines.ATTEMPT_S
    assert deadlines.GOODBYE_S < deadlines.WRITING_S, "who leaves keeps nobody from writing down what came of it"


def test_a_lease_is_renewed_long_before_it_ends() -> None:
    assert LEASE_S / RENEWALS + LEASE_S * STALLED < LEASE_S


def a_queue(*outcomes: Outcome, at: float = 100.0) -> EndpointQueue:
    queue = EndpointQueue("crm", 4, nowhere)
    for outcome in outcomes:
        queue.learn(outcome, 0.1, at, jitter=0.5)
    return queue


def test_five_failures_in_a_row_break_it_and_one_probe_follows_each_pause() -> None:
    queue = a_queue(*[NotSent("closed")] * 4)
    assert not queue.broken
    queue.learn(MaybeSent("no answer"), 0.1, 100, jitter=0.5)
    assert queue.broken
    assert queue.room(100) == 0
    assert queue.room(queue.pause_until) == queue.at_once == queue.idle == 1, "a probe"
    queue.busy = 1
    assert queue.room(queue.pause_until) == 0, "one at a time"


def test_a_probe_that_fails_makes_the_pause_longer_and_one_that_is_answered_heals() -> None:
    queue = a_queue(*[NotSent("closed")] * 5)
    first = queue.pause_until - 100
    queue.learn(NotSent("closed"), 0.1, 100, jitter=0.5)
    assert queue.pause_until - 100 > first
    for _ in range(40):
        queue.learn(NotSent("closed"), 0.1, 100, jitter=0.999)
    assert queue.pause_until - 100 <= 30
    queue.learn(Answered(500), 0.1, 200, jitter=0.5)
    assert not queue.broken
    assert queue.room(200) > 1


def test_what_is_said_of_one_message_breaks_nothing() -> None:
    queue = a_queue(*[Deferred("greylisted")] * 9, *[Impossible("no such mailbox")] * 9)
    assert not queue.broken
    queue = a_queue(*[NotSent("closed")] * 4, Deferred("greylisted"), NotSent("closed"))
    assert not queue.broken, "the server answered in between"


def test_imports_get_one_place_in_sixteen_whatever_is_asked_for_at_once() -> None:
    for most in (1, 3, 16, 40):
        queue = a_queue()
        reserved = [queue.reserved(most) for _ in range(160)]
        assert sum(reserved) == 160 * most // 16
        assert all(most // 16 <= each <= most // 16 + 1 for each in reserved)


def test_what_was_claimed_ahead_too_long_ago_goes_back() -> None:
    queue = a_queue()
    old, new = a_given(id=an_id("old")), a_given(id=an_id("new"))
    queue.claimed.extend([(old, 100.0), (new, 104.0)])
    assert queue.next(106.0) == (new, [old])


def test_whoever_asks_for_less_is_left_alone_for_two_seconds() -> None:
    left_alone = {status for status in range(200, 600) if a_queue(Answered(status), at=100.0).room(101.9) == 0}
    assert left_alone == {410, 429, 502, 503, 504}
    assert a_queue(Answered(503), at=100.0).room(102.0) > 0


def test_an_answer_begins_the_count_of_failures_anew() -> None:
    queue = a_queue(*[NotSent("closed")] * 4, Answered(500), *[NotSent("closed")] * 4)
    assert not queue.broken
    queue.learn(NotSent("closed"), 0.1, 100, jitter=0.5)
    assert queue.broken
    assert queue.pause_until == 100 + 0.375, "the first pause is short"


def test_who_has_answered_fast_for_a_while_has_deliveries_claimed_ahead() -> None:
    queue = a_queue(*[Answered(200)] * 13)
    assert queue.room(100) == 4, "one slow answer at the beginning is not forgotten at once"
    queue.learn(Answered(200), 0.1, 100, jitter=0.5)
    assert queue.room(100) == 4 + 8 * 4
    queue.busy = 4
    queue.claimed.append((a_given(), 100.0))
    assert queue.room(100) == 31
    queue.claimed.extend([(a_given(), 100.0)] * 3)
    assert queue.room(100) == 0, "there are enough for all that may be under way"
    queue.claimed.clear()
    queue.busy = 40
    assert queue.room(100) == 0, "the endpoint has become slow meanwhile"


def test_only_what_would_be_sent_at_once_begins_with_its_claim() -> None:
    queue = a_queue()
    assert queue.idle == 4
    queue.busy, queue.claimed = 1, deque([(a_given(), 100.0)])
    assert queue.idle == 2
    queue.busy = 4
    assert queue.idle == 0


def test_what_was_claimed_ahead_goes_as_long_as_nothing_keeps_it() -> None:
    queue = a_queue()
    queue.claimed.append((a_given(), 100.0))
    assert queue.next(105.0) == (a_given(), [])
    queue.claimed.append((a_given(), 100.0))
    queue.pause_until = 101.0
    assert queue.next(100.9) == (None, [a_given()])
