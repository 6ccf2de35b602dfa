"""Nobody is mailed who does not want it any more: asked when the sending begins, of the address that it goes to."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from uuid import UUID

import pytest

from services.nurture.channels.email.channel import QUEUE as MAIL
from services.nurture.channels.sending import Begin, Result, Send
from services.nurture.deliveries.permission import UNWANTED
from services.nurture.domain.deliveries.delivery import StoredDelivery
from services.nurture.domain.deliveries.retry import Accepted, Outcome
from services.nurture.domain.mail.consent import Matter, Word, about
from services.nurture.store import consents
from shared.clock import new_id, utc_now
from tests.support.deliveries import Rows, delivering, rows_of
from tests.support.waiting import until

ADA = "ada@example.com"
THEN = datetime.fromisoformat("2026-01-01T10:00:00+00:00")


@pytest.fixture
async def rows(database: str) -> AsyncIterator[Rows]:
    async with rows_of(database) as rows:
        yield rows


def sending(sent: list[UUID], outcome: Outcome | None = None) -> Send:
    async def send(given: StoredDelivery, begin: Begin) -> Result:
        await begin()
        sent.append(given.id)
        return Result(outcome or Accepted())

    return send


def word(*, given: bool, subject: str = ADA, purpose: str = "", second: int = 0) -> Word:
    return Word(Matter(subject, "email", purpose), given, THEN + timedelta(seconds=second))


async def say(rows: Rows, *words: Word) -> None:
    for each in words:  # as they come, each in a transaction of its own
        async with rows.engine.begin() as conn:
            await consents.keep(conn, [each])


async def test_withdrawn_while_the_mail_is_queued_it_is_not_sent(rows: Rows) -> None:
    (mail,) = await rows.add(email="thanks")
    (webhook,) = await rows.add(webhook="crm")
    await say(rows, word(given=True), word(given=False, second=1))
    sent: list[UUID] = []
    async with delivering(rows, sending(sent)):
        await until(lambda: rows.are("failed"))
        await until(lambda: rows.are("delivered"))
    assert sent == [webhook]
    assert await rows.one("SELECT reason FROM deliveries WHERE id = :id", id=mail) == UNWANTED
    assert await rows.all("SELECT outcome, reason FROM attempts WHERE delivery_id = :id", id=mail) == [
        ("failed", UNWANTED)
    ]


async def test_withdrawn_between_claim_and_begin_it_is_not_sent(rows: Rows) -> None:
    await rows.add(email="thanks")
    sent: list[UUID] = []

    async def withdrawing(given: StoredDelivery, begin: Begin) -> Result:
        await say(rows, word(given=False))
        return await sending(sent)(given, begin)

    async with delivering(rows, {MAIL: (1, withdrawing)}):
        await until(lambda: rows.are("failed"))
    assert sent == []


async def test_a_refused_mail_s_fallback_goes(rows: Rows) -> None:
    await rows.add(email="thanks", fallback={"webhook": "crm"})
    await say(rows, word(given=False))
    sent: list[UUID] = []
    async with delivering(rows, sending(sent)):
        await until(lambda: rows.are("delivered"))
    assert await rows.all("SELECT channel, state FROM deliveries ORDER BY channel") == [
        ("email", "failed"),
        ("webhook", "delivered"),
    ]


async def test_a_replay_asks_too(rows: Rows) -> None:
    (mail,) = await rows.add(email="thanks")
    sent: list[UUID] = []
    async with delivering(rows, sending(sent)):
        await until(lambda: rows.are("delivered"))
        await say(rows, word(given=False))
        await rows.all(
            "UPDATE deliveries SET state = 'pending', finished_at = NULL, due_at = now(), tries = 0 WHERE id = :id",
            id=mail,
        )
        await until(lambda: rows.are("failed"))
        await say(rows, word(given=True, second=1))
        await rows.all("UPDATE deliveries SET state = 'pending', finished_at = NULL, tries = 0 WHERE id = :id", id=mail)
        await until(lambda: rows.are("delivered"))
    assert sent == [mail, mail]


async def test_another_purpose_or_address_is_none_of_its_business(rows: Rows) -> None:
    await rows.add(email="thanks", purpose="orders")
    await say(rows, word(given=False, purpose="newsletter"), word(given=False, subject="old@example.com"))
    async with delivering(rows, sending([])):
        await until(lambda: rows.are("delivered"))


async def test_a_purpose_is_asked_for(rows: Rows) -> None:
    await rows.add(email="thanks", purpose="newsletter")
    await say(rows, word(given=True, second=9), word(given=False, purpose="newsletter"))
    async with delivering(rows, sending([])):
        await until(lambda: rows.are("failed"))


async def test_what_was_said_of_the_contact_as_a_whole_counts(rows: Rows) -> None:
    (mail,) = await rows.add(email="thanks")
    contact = await rows.one(
        "SELECT contact_id FROM enrolments AS e JOIN deliveries AS d ON d.enrolment_id = e.id WHERE d.id = :id", id=mail
    )
    loser = new_id()
    await say(rows, word(given=False, subject=about(loser)), word(given=True, subject=about(contact), second=-1))
    async with rows.engine.begin() as conn:
        await consents.adopt(conn, {loser: contact})
    async with delivering(rows, sending([])):
        await until(lambda: rows.are("failed"))


async def test_words_in_any_order_and_by_two_processes_come_to_the_last(rows: Rows) -> None:
    words = [word(given=bool(second % 2), second=second) for second in range(8)] + [word(given=False, second=7)]
    await asyncio.gather(*(say(rows, each) for each in (*words, *reversed(words))))
    assert await rows.all("SELECT given, said_at FROM consents") == [(False, THEN + timedelta(seconds=7))]
    async with rows.engine.connect() as conn:
        assert await consents.words(conn, [ADA], "email") == [word(given=False, second=7)]
        assert await consents.words(conn, [ADA], "sms") == []
    assert utc_now() > THEN
