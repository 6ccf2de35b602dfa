"""What is recorded of an attempt, beside its state: attempts, facts, fallbacks, how the endpoint is."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from services.nurture.channels.email.channel import QUEUE as MAIL
from services.nurture.channels.sending import Begin, Result
from services.nurture.deliveries.attempts import Attempted, Recorded, judged, record
from services.nurture.deliveries.recorder import observe
from services.nurture.domain.deliveries.delivery import StoredDelivery
from services.nurture.domain.deliveries.retry import Accepted, Answered, Impossible, MaybeSent, NotSent, Outcome
from services.nurture.metrics import make_metrics
from services.nurture.store.deliveries import claims
from services.nurture.tables import LONGEST_EXCERPT, LONGEST_REASON
from shared.clock import new_id, utc_now
from tests.support.deliveries import FACTS, NOBODY, Rows, delivering, rows_of
from tests.support.waiting import until

SECOND = timedelta(seconds=1)


@pytest.fixture
async def rows(database: str) -> AsyncIterator[Rows]:
    async with rows_of(database) as rows:
        yield rows


async def recorded(
    rows: Rows, *came: tuple[StoredDelivery, Outcome], excerpt: str | None = None, took_s: float = 1
) -> Recorded:
    """These attempts, recorded together; each ended a second after the one before."""
    now = utc_now()
    attempted = [
        Attempted(given, (at := now + n * SECOND) - took_s * SECOND, at, outcome, excerpt=excerpt)
        for n, (given, outcome) in enumerate(came)
    ]
    async with rows.engine.begin() as conn:
        return await record(conn, judged(attempted, NOBODY, lambda: 0.0), endpoints=NOBODY, facts=FACTS)


async def told(rows: Rows) -> list[tuple[str, int | None, str | None]]:
    """The facts: type, attempt and reason."""
    read = [msgspec.json.decode(value) for (value,) in await rows.all("SELECT value FROM facts ORDER BY id")]
    return [
        (each["type"], each["data"].get("attempt"), each["data"].get("reason"))
        for each in read
        if each["type"] != "followup.scheduled"
    ]


async def test_the_fact_says_at_which_attempt_and_why(rows: Rows) -> None:
    await rows.add()
    for outcome in (NotSent("closed"), MaybeSent("no answer"), Impossible("no such template")):
        await rows.all("UPDATE deliveries SET due_at = now()")
        (given,) = await rows.claim()
        await recorded(rows, (given, outcome))
    assert await told(rows) == [("followup.failed", 3, "no such template")], "what is tried again is no news"
    assert await rows.all("SELECT number, outcome, reason FROM attempts ORDER BY number") == [
        (1, "retry", "closed"),
        (2, "unknown", "no answer"),
        (3, "failed", "no such template"),
    ]
    assert await rows.all("SELECT attempts, tries FROM deliveries") == [(3, 3)]


async def test_what_a_rep_is_notified_of_is_no_follow_up(rows: Rows) -> None:
    (one, _) = await rows.add(2, email="thanks")
    await rows.all("UPDATE deliveries SET rep = 'ana', recipient = NULL, purpose = NULL WHERE id = :id", id=one)
    await recorded(rows, *[(given, Accepted()) for given in await rows.claim(MAIL)])
    assert await told(rows) == [("followup.sent", 1, None)]


async def test_what_was_withdrawn_while_it_was_tried_neither_falls_back_nor_counts_as_failed(rows: Rows) -> None:
    (one,) = await rows.add(webhook="crm", deadline="5m", fallback={"webhook": "other"})
    (given,) = await rows.claim()
    await rows.withdraw(one)
    done = await recorded(rows, (given, Impossible("refused for good")))
    assert [row.state for row, _ in done.settled] == ["cancelled"]
    assert await rows.all("SELECT endpoint, state FROM deliveries") == [("crm", "cancelled")]
    assert await told(rows) == []


async def test_the_last_attempt_says_whether_its_endpoint_answers(rows: Rows) -> None:
    await rows.add(4)
    one, two, three, four = await rows.claim()
    failing = "SELECT failing_because FROM endpoint_state WHERE failing_since IS NOT NULL"
    await recorded(rows, (one, Answered(500)), (two, NotSent("closed")))
    assert await rows.all(failing) == [("closed",)]
    await recorded(rows, (three, NotSent("closed")), (four, Answered(500)))
    assert await rows.all(failing) == []


async def test_an_endpoint_is_slowed_down_as_long_as_any_answer_asks_for(rows: Rows) -> None:
    await rows.add(3)
    first, *others = await rows.claim()
    await recorded(rows, *[(given, Answered(429, after)) for given, after in zip(others, (600, 60), strict=True)])
    slowed = "SELECT slowed_until BETWEEN now() + interval '9 min' AND now() + interval '11 min' FROM endpoint_state"
    assert await rows.one(slowed)
    await recorded(rows, (first, Answered(429, 60)))
    assert await rows.one(slowed), "a shorter wait shortens none"
    await rows.add()
    assert await rows.claim() == []


async def test_an_endpoint_that_is_gone_is_disabled_with_the_first_reason(rows: Rows) -> None:
    await rows.add(3)
    given, *more = await rows.claim(most=2)
    await recorded(rows, (given, Answered(410)))
    before = await rows.all("SELECT name, disabled_at, disabled_because FROM endpoint_state")
    assert "410" in before[0].disabled_because
    await recorded(rows, (more[0], Answered(410)))
    assert await rows.all("SELECT name, disabled_at, disabled_because FROM endpoint_state") == before
    assert await rows.claim() == [], "nothing is claimed for it"


async def test_of_a_long_answer_and_a_long_reason_only_the_beginning_is_kept(rows: Rows) -> None:
    await rows.add()
    (given,) = await rows.claim()
    await recorded(rows, (given, Impossible("ä" * 5000)), excerpt="é" * 5000)
    ((reason, excerpt),) = await rows.all("SELECT reason, excerpt FROM attempts")
    assert reason == "ä" * LONGEST_REASON
    assert excerpt == "é" * (LONGEST_EXCERPT // 2)
    assert await rows.one("SELECT reason FROM deliveries") == reason


async def test_an_attempt_during_which_the_clock_was_put_back_took_no_time(rows: Rows) -> None:
    await rows.add()
    (given,) = await rows.claim()
    await recorded(rows, (given, Answered(200)), took_s=-60)
    assert await rows.one("SELECT finished_at = started_at FROM attempts")


async def test_only_the_holder_gives_up(rows: Rows) -> None:
    await rows.add(2)
    ours, theirs = await rows.claim()
    await rows.all("UPDATE deliveries SET lease_token = :other WHERE id = :id", other=new_id(), id=theirs.id)
    async with rows.engine.begin() as conn:
        for given in (ours, theirs):
            await claims.give_up(conn, given, arrived=False, reason="no row can be written")
    assert await rows.all("SELECT id, state, attempts, tries FROM deliveries WHERE state <> 'claimed'") == [
        (ours.id, "failed", 1, 1)
    ]


async def test_the_metrics_count_outcomes_and_time_the_first_attempt_of_live_follow_ups(rows: Rows) -> None:
    await rows.add(2)
    await rows.add(lane="bulk")
    later, *first = await rows.claim()
    await recorded(rows, (later, NotSent("closed")))
    await rows.all("UPDATE deliveries SET due_at = now()")
    (later,) = await rows.claim()
    await rows.add()
    await rows.all("UPDATE deliveries SET is_first = false WHERE state = 'pending'")
    (second,) = await rows.claim()
    registry = CollectorRegistry()
    observe(
        await recorded(rows, *[(given, Answered(200)) for given in (later, *first, second)]), make_metrics(registry)
    )

    def seen(name: str, **labels: str) -> Any:
        return registry.get_sample_value(name, labels)

    assert seen("firsthour_nurture_attempts_total", endpoint="crm", outcome="delivered") == 4
    assert seen("firsthour_nurture_first_followup_seconds_count", workflow="sample") == 3, (
        "the third step is no first one"
    )
    assert seen("firsthour_lead_hop_seconds_count", hop="attempted") == 1, "of a live one, at its first attempt"
    assert seen("firsthour_lead_hop_seconds_count", hop="delivered") == 2


async def test_a_deliverer_keeps_nothing_of_what_is_done_and_says_that_there_are_facts(rows: Rows) -> None:
    await rows.add(webhook="crm")
    await rows.add(email="thanks")
    begun_with_claim, facts = [], []
    registry = CollectorRegistry()

    async def send(given: StoredDelivery, begin: Begin) -> Result:
        begun_with_claim.append((given.channel, given.began_at is not None))
        await begin()
        return Result(Accepted(), about_us=given.channel == "email")

    async with delivering(rows, send, registry=registry, on_facts=lambda: facts.append(1)) as deliverer:
        await until(lambda: rows.are("delivered", 2))
        await until(lambda: not deliverer._leases._held)
    assert sorted(begun_with_claim) == [("email", False), ("webhook", True)]
    assert facts
    refused = [
        registry.get_sample_value("firsthour_nurture_mail_refusals_total", {"endpoint": each})
        for each in ("email:smtp", "crm")
    ]
    assert refused[0] == 1
    assert not refused[1]
