import re
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from services.nurture.domain.deliveries.delivery import StoredDelivery, assignee, delivery_id, expiry
from services.nurture.domain.deliveries.retry import (
    STANDARD_PLAN,
    Accepted,
    Answered,
    Deferred,
    Delivered,
    DisableEndpoint,
    GiveUp,
    Impossible,
    MaybeSent,
    NotSent,
    Outcome,
    RetryAt,
    after_attempt,
    at_expiry,
)
from services.nurture.domain.workflow import Target
from tests.unit.nurture.builders import NOW, a_given, an_id, minutes

ON_CALL = Target("webhook", "on-call")
dice = st.floats(0, 1, exclude_max=True)
outcomes = st.one_of(
    st.builds(Answered, st.integers(100, 599), st.none() | st.floats()),
    st.just(Accepted()),
    st.builds(NotSent, st.text()),
    st.builds(Deferred, st.text()),
    st.builds(MaybeSent, st.text()),
    st.builds(Impossible, st.text()),
)


def a_delivery(*, attempts: int = 1, **changes: Any) -> StoredDelivery:
    """As it stands while its attempt of this number is under way."""
    return a_given(channel="webhook", tries=attempts - 1, **changes)


def attempt_times(jitters: list[float], outcome: Outcome, **delivery: object) -> tuple[list[timedelta], GiveUp]:
    """When each attempt begins, if every one takes no time and has this outcome."""
    now, times = NOW, [timedelta()]
    for attempts in range(1, 100):
        made = a_delivery(attempts=attempts, **delivery)
        after = after_attempt(outcome, made, STANDARD_PLAN, now=now, jitter=jitters[attempts % len(jitters)])
        if isinstance(after, GiveUp):
            return times, after
        assert isinstance(after, RetryAt)
        now = after.at
        times.append(now - NOW)
    raise AssertionError("never ends")


@given(st.lists(dice, min_size=1, max_size=20))
def test_dense_within_the_hour_then_the_long_tail(jitters: list[float]) -> None:
    times, last = attempt_times(jitters, NotSent("refused"))
    assert times == sorted(set(times))
    hour = [time for time in times if time <= timedelta(seconds=3650)]
    assert len(hour) == 10
    assert all(later - earlier <= minutes(30) for earlier, later in pairwise(hour))
    assert times[1] <= timedelta(seconds=5)
    assert len(times) == len(STANDARD_PLAN.waits)
    assert timedelta(days=2) < times[-1] < timedelta(days=4)
    assert (last.state, last.fall_back) == ("failed", False)


@given(st.lists(dice, min_size=1, max_size=20), st.integers(1, 10**6), st.booleans())
def test_no_attempt_at_or_after_the_deadline(jitters: list[float], seconds: int, has_fallback: bool) -> None:
    expires = NOW + timedelta(seconds=seconds)
    fallback = ON_CALL if has_fallback else None
    times, last = attempt_times(jitters, NotSent("refused"), expires_at=expires, fallback=fallback)
    assert all(NOW + time < expires for time in times)
    assert last.fall_back is has_fallback


@given(outcomes, st.integers(1, 30), st.none() | st.integers(-60, 10**6), dice)
def test_every_outcome_has_an_answer_and_the_deadline_wins(
    outcome: Outcome, attempts: int, expires_in: int | None, jitter: float
) -> None:
    expires = None if expires_in is None else NOW + timedelta(seconds=expires_in)
    made = a_delivery(attempts=attempts, expires_at=expires, fallback=ON_CALL)
    after = after_attempt(outcome, made, STANDARD_PLAN, now=NOW, jitter=jitter)
    if isinstance(after, RetryAt):
        assert after.at > NOW
        assert expires is None or after.at < expires
    elif isinstance(after, GiveUp):
        assert after.fall_back
    assert isinstance(after, Delivered) == (
        isinstance(outcome, Accepted) or (isinstance(outcome, Answered) and 200 <= outcome.status < 300)
    )


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_a_failure(status: int) -> None:
    after = after_attempt(Answered(status), a_delivery(), STANDARD_PLAN, now=NOW, jitter=0)
    assert isinstance(after, RetryAt)
    assert str(status) in after.reason


def test_retry_after_is_honoured_and_slows_the_endpoint() -> None:
    after = after_attempt(Answered(429, 120.0), a_delivery(), STANDARD_PLAN, now=NOW, jitter=0)
    assert after == RetryAt(NOW + minutes(2), "answered 429", NOW + minutes(2))


def test_retry_after_beyond_the_deadline_falls_back_now() -> None:
    made = a_delivery(expires_at=NOW + minutes(4), fallback=ON_CALL)
    after = after_attempt(Answered(503, 86_400.0), made, STANDARD_PLAN, now=NOW, jitter=0)
    assert isinstance(after, GiveUp)
    assert (after.state, after.fall_back) == ("expired", True)
    assert after.slow_until == NOW + minutes(15), "nobody stops an endpoint for a day"


@given(st.floats(), st.integers(1, 16), dice)
@example(86_400.0, 9, 0.0)  # the last try of the first hour
def test_whatever_a_receiver_asks_for_is_granted_within_bounds(asked: float, attempts: int, jitter: float) -> None:
    answer, made = Answered(503, asked), a_delivery(attempts=attempts)
    after = after_attempt(answer, made, STANDARD_PLAN, now=NOW, jitter=jitter)
    assert isinstance(after, RetryAt | GiveUp)
    assert after.slow_until is not None
    assert NOW <= after.slow_until <= NOW + minutes(15)
    if isinstance(after, RetryAt):
        plan = timedelta(seconds=STANDARD_PLAN.waits[attempts])
        assert after.at - NOW <= max(plan, minutes(15 if attempts < 10 else 60))


def test_410_disables_the_endpoint_and_falls_back() -> None:
    after = after_attempt(Answered(410), a_delivery(fallback=ON_CALL), STANDARD_PLAN, now=NOW, jitter=0)
    assert isinstance(after, DisableEndpoint)
    assert (after.then.state, after.then.fall_back) == ("failed", True)


def test_maybe_sent_is_repeated_for_a_webhook_but_not_for_an_email() -> None:
    lost = MaybeSent("no answer")
    assert isinstance(after_attempt(lost, a_delivery(), STANDARD_PLAN, now=NOW, jitter=0), RetryAt)
    mail = after_attempt(lost, a_delivery(), STANDARD_PLAN, now=NOW, jitter=0, repeats_unknown=False)
    assert isinstance(mail, GiveUp)
    assert mail.state == "failed"


def test_expiry_leaves_the_fallback_time_before_the_deadline() -> None:
    deadline = NOW + minutes(5)
    assert expiry(NOW, deadline, "webhook", ON_CALL) == NOW + minutes(4)
    assert expiry(NOW, NOW + minutes(2), "email", ON_CALL) == NOW + minutes(1.6)
    assert expiry(NOW, deadline, "task", ON_CALL) == deadline
    assert expiry(NOW, deadline, "webhook", None) == deadline
    assert expiry(NOW, None, "webhook", ON_CALL) is None


def test_at_expiry() -> None:
    made = a_delivery(expires_at=NOW, fallback=ON_CALL)
    assert at_expiry(made, NOW - minutes(1)) is None
    assert at_expiry(made, NOW) == GiveUp("expired", "not done in time", fall_back=True)
    assert at_expiry(a_delivery(), NOW) is None


def test_reps_take_turns() -> None:
    assert [assignee(("ana", "ben"), turn) for turn in range(4)] == ["ana", "ben", "ana", "ben"]
    assert assignee((), 3) is None


def test_ids_of_deliveries_never_change() -> None:
    assert str(delivery_id(an_id("run"), "1.0.2", "webhook")) == "7071e3c4-4e2c-596f-ab92-f4f5a6bfce7f"


def test_a_try_exactly_at_the_deadline_is_too_late() -> None:
    made = a_delivery(expires_at=NOW + timedelta(seconds=5))
    after = after_attempt(NotSent("refused"), made, STANDARD_PLAN, now=NOW, jitter=0)
    assert after == GiveUp("expired", "refused; the next try would come too late", fall_back=False)


def test_the_docs_say_when_tries_follow() -> None:
    text = (Path(__file__).parents[4] / "docs" / "deliveries.md").read_text(encoding="utf-8")
    said = re.search(
        r"Tries follow each other after ([\d s,]+), ([\d, and]+) minutes[^,]*, then ([\d,\sand]+) hours", text
    )
    assert said is not None
    seconds, minutes_, hours = ([float(each) for each in re.findall(r"\d+", part)] for part in said.groups())
    n = seconds.index(30) + 1
    seconds, minutes_ = seconds[:n], seconds[n:] + minutes_
    assert STANDARD_PLAN.waits == (*seconds, *(60 * each for each in minutes_), *(3600 * each for each in hours))
