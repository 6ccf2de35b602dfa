"""Sendings that begin at one moment begin in one transaction; what is wrong with one of them costs it alone."""

import asyncio

from services.nurture.channels.email.channel import QUEUE as MAIL
from services.nurture.channels.sending import NotBegun, Refused
from services.nurture.deliveries.beginning import Beginnings
from services.nurture.domain.mail.caps import MailCaps
from shared.clock import new_id
from tests.support.deliveries import rows_of


async def test_one_that_cannot_begin_is_refused_and_what_began_beside_it_goes(database: str) -> None:
    async with rows_of(database) as rows:
        for together in (2, 3):
            (poison, *_) = await rows.add(together, email="thanks")
            claimed = await rows.claim(MAIL)
            await rows.all(f"ALTER TABLE deliveries ADD CHECK (began_at IS NULL OR id <> '{poison}')")
            beginnings = Beginnings(rows.engine, lease_s=30, caps=MailCaps())
            answers = await asyncio.gather(*map(beginnings.begin, claimed), return_exceptions=True)
            for given, answer in zip(claimed, answers, strict=True):
                if given.id == poison:
                    assert isinstance(answer, Refused)
                    assert "its sending could not begin" in str(answer)
                else:
                    assert answer is None
            begun = await rows.all("SELECT id FROM deliveries WHERE began_at IS NOT NULL AND state = 'claimed'")
            assert {row[0] for row in begun} == {given.id for given in claimed} - {poison}
            await rows.all("DELETE FROM deliveries")


async def test_what_somebody_else_holds_by_now_does_not_begin(database: str) -> None:
    async with rows_of(database) as rows:
        await rows.add(2, email="thanks")
        ours, theirs = await rows.claim(MAIL)
        await rows.all("UPDATE deliveries SET lease_token = :other WHERE id = :id", other=new_id(), id=theirs.id)
        beginnings = Beginnings(rows.engine, lease_s=30, caps=MailCaps())
        answers = await asyncio.gather(beginnings.begin(ours), beginnings.begin(theirs), return_exceptions=True)
        assert answers[0] is None
        assert isinstance(answers[1], NotBegun)


async def test_an_attempt_that_is_cancelled_meanwhile_keeps_no_other_waiting(database: str) -> None:
    async with rows_of(database) as rows:
        await rows.add(2, email="thanks")
        cancelled, other = await rows.claim(MAIL)
        beginnings = Beginnings(rows.engine, lease_s=30, caps=MailCaps())
        first = asyncio.create_task(beginnings.begin(cancelled))
        second = asyncio.create_task(beginnings.begin(other))
        await asyncio.sleep(0)  # both wait for one transaction
        first.cancel()
        async with asyncio.timeout(20):
            await second
        assert first.cancelled()
        assert other.id in {row[0] for row in await rows.all("SELECT id FROM deliveries WHERE began_at IS NOT NULL")}


async def test_webhooks_that_begin_together_with_mails_begin_too(database: str) -> None:
    async with rows_of(database) as rows:
        await rows.add(email="thanks")
        await rows.add(webhook="crm")
        givens = [*await rows.claim(MAIL), *await rows.claim()]
        await rows.all(
            "INSERT INTO consents (subject, channel, purpose, given, said_at) "
            "SELECT recipient, 'email', '', false, now() FROM deliveries WHERE recipient IS NOT NULL"
        )
        beginnings = Beginnings(rows.engine, lease_s=30, caps=MailCaps())
        answers = await asyncio.gather(*map(beginnings.begin, givens), return_exceptions=True)
        assert isinstance(answers[0], Refused), "who said no is asked about, whatever begins beside it"
        assert answers[1] is None
