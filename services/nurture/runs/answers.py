"""Answers by the links in mails: the reader confirms the address, or unsubscribes.

An answer takes effect in its own transaction; its facts go out to scoring and come back as any other event.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec
from msgspec.structs import replace
from sqlalchemy.ext.asyncio import AsyncConnection

from services.nurture.config import Endpoints
from services.nurture.domain.deliveries.delivery import NewDelivery, StoredDelivery, delivery_id
from services.nurture.domain.deliveries.followup import Waits, confirmed
from services.nurture.domain.deliveries.trimming import written
from services.nurture.domain.enrolment import Enrolment
from services.nurture.domain.mail.confirmation import granted
from services.nurture.domain.mail.consent import Matter, Word, about, last_words, permits
from services.nurture.domain.mail.links import Link
from services.nurture.domain.workflow import EMAIL, FOLLOW_UP
from services.nurture.facts import FactMaker
from services.nurture.runs.changes import Changes
from services.nurture.runs.writing import write
from services.nurture.store import confirmations as store
from services.nurture.store import consents as store_consents
from services.nurture.store import enrolments as store_enrolments
from shared.db.tables import facts as store_facts

_SUFFIX: Final = "/confirmed"
_GOES_ON: Final = ("active", "completed")


@dataclass(frozen=True, slots=True)
class Answered:
    """The result of an answer: the queues that have new rows, and whether there are new facts."""

    endpoints: frozenset[str] = frozenset()
    facts: bool = False


async def confirm(
    conn: AsyncConnection, link: Link, now: datetime, *, endpoints: Endpoints, facts: FactMaker
) -> Answered | None:
    """Confirm the address; grant and send what waited for that. None: the mail's row is gone.

    Only once: the same link again, even after a withdrawal, changes nothing.
    """
    mail = await store.sent(conn, link.delivery)
    if mail is None or mail.recipient is None:
        return None
    run = await _run(conn, mail.enrolment_id)  # the enrolment before the delivery: one lock order for all
    if not await store.confirm(conn, mail.id):
        return Answered()
    address, at = mail.recipient, now.replace(microsecond=0)
    yes = granted(run.trigger, address) if run is not None else ()
    words = [Word(Matter(address, "email", each.purpose or ""), given=True, at=at) for each in yes]
    await store_consents.keep(conn, last_words(words))
    told = [facts.clicked(mail.contact_id, address, now, delivery=mail.id, workflow=mail.workflow)]
    told += [
        facts.consented(
            mail.contact_id,
            address,
            now,
            given=True,
            purpose=each.purpose,
            wording=each.wording,
            proof=f"confirmed by the link in mail {mail.id}",
        )
        for each in yes
    ]
    changes = Changes(facts=told)
    if run is not None and run.status in _GOES_ON and (waited := _waited(mail, now)) is not None:
        changes.add(waited)
    new = await write(conn, changes, endpoints=endpoints, facts=facts, now=now)
    return Answered(frozenset(new.endpoints), facts=True)


async def withdraw(conn: AsyncConnection, link: Link, now: datetime, *, everything: bool, facts: FactMaker) -> Answered:
    """Unsubscribe from the purpose of the mail, or from all mail. Safe to repeat.

    It works for as long as the link can be read: without the mail's row it is about the contact alone.
    """
    mail = await store.sent(conn, link.delivery)
    contact_id = mail.contact_id if mail is not None else link.contact
    address = mail.recipient if mail is not None else None
    purpose = None if everything or mail is None else purpose_withdrawn(mail)
    subjects = [subject for subject in (address, about(contact_id)) if subject]
    known = await store_consents.words(conn, subjects, "email")
    if known and permits(known, purpose or "") is False:
        return Answered()
    at = now.replace(microsecond=0)
    words = [Word(Matter(subject, "email", purpose or ""), given=False, at=at) for subject in subjects]
    await store_consents.keep(conn, last_words(words))
    proof = f"withdrawn by the link in mail {link.delivery}"
    await store_facts.insert(
        conn, [facts.consented(contact_id, address, now, given=False, purpose=purpose, proof=proof)]
    )
    return Answered(facts=True)


def purpose_withdrawn(mail: StoredDelivery) -> str | None:
    """What its reader unsubscribes from: the purpose of the mail, if it has one of its own; else all."""
    return None if mail.purpose == FOLLOW_UP else mail.purpose


async def _run(conn: AsyncConnection, identifier: UUID) -> Enrolment | None:
    try:
        return await store_enrolments.lock_one(conn, identifier)
    except msgspec.MsgspecError:
        return None


def _waited(mail: StoredDelivery, now: datetime) -> NewDelivery | None:
    """The mail in whose place this one asked."""
    if mail.confirmation != "asks":
        return None
    try:
        followup = mail.payload.followup
    except msgspec.MsgspecError:
        return None
    waits = followup.data.waits
    if not isinstance(waits, Waits):
        return None
    step = mail.step + _SUFFIX
    identifier = delivery_id(mail.enrolment_id, step, EMAIL)
    return replace(
        mail.as_new(),
        id=identifier,
        step=step,
        target=waits.template,
        created_at=now,
        deadline=None,
        expires_at=None,
        fallback=None,
        is_first=False,
        payload=written(confirmed(followup, identifier, step, waits, now)),
        purpose=waits.purpose,
        confirmation=None,
    )
