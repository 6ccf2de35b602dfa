"""What a deliverer remembers: whether the database was away, and how an endpoint has been lately."""

from services.nurture.deliveries.leases import RENEWALS, STALLED, Calm
from services.nurture.deliveries.queue import Lane, nowhere
from services.nurture.domain.retry import Answered, Deferred, Impossible, MaybeSent, NotSent, Outcome
from services.nurture.store.leases import LEASE_S


def test_at_the_start_it_is_calm() -> None:
    calm = Calm()
    assert calm.holds(0)
    calm.answered(1)
    assert calm.holds(1)


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


def test_a_lease_is_renewed_long_before_it_ends() -> None:
    assert LEASE_S / RENEWALS + LEASE_S * STALLED < LEASE_S


def a_lane(*outcomes: Outcome, at: float = 100.0) -> Lane:
    lane = Lane("crm", 4, nowhere)
    for outcome in outcomes:
        lane.learn(outcome, 0.1, at, jitter=0.5)
    return lane


def test_five_failures_in_a_row_break_it_and_one_probe_follows_each_pause() -> None:
    lane = a_lane(*[NotSent("closed")] * 4)
    assert not lane.broken
    lane.learn(MaybeSent("no answer"), 0.1, 100, jitter=0.5)
    assert lane.broken
    assert lane.room(100) == 0
    assert lane.room(lane.pause_until) == 1, "a probe"
    lane.busy = 1
    assert lane.room(lane.pause_until) == 0, "one at a time"


def test_a_probe_that_fails_makes_the_pause_longer_and_one_that_is_answered_heals() -> None:
    lane = a_lane(*[NotSent("closed")] * 5)
    first = lane.pause_until - 100
    lane.learn(NotSent("closed"), 0.1, 100, jitter=0.5)
    assert lane.pause_until - 100 > first
    for _ in range(40):
        lane.learn(NotSent("closed"), 0.1, 100, jitter=0.999)
    assert lane.pause_until - 100 <= 30
    lane.learn(Answered(500), 0.1, 200, jitter=0.5)
    assert not lane.broken
    assert lane.room(200) > 1


def test_what_is_said_of_one_message_breaks_nothing() -> None:
    lane = a_lane(*[Deferred("greylisted")] * 9, *[Impossible("no such mailbox")] * 9)
    assert not lane.broken
    lane = a_lane(*[NotSent("closed")] * 4, Deferred("greylisted"), NotSent("closed"))
    assert not lane.broken, "the server answered in between"
