"""What updates say of consent is kept with them, and asked when a mail of theirs is sent; so are the caps of forms."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from services.nurture.channels.email.channel import QUEUE as MAIL
from services.nurture.channels.sending import Begin, Result, Send
from services.nurture.deliveries.permission import UNWANTED
from services.nurture.domain.deliveries.delivery import StoredDelivery
from services.nurture.domain.deliveries.retry import Accepted
from services.nurture.domain.workflow import Workflow
from services.nurture.language.compile import Workflows
from services.nurture.language.versions import with_live
from services.nurture.metrics import make_metrics
from services.nurture.runs.handler import UpdatesHandler
from shared.clock import utc_now
from shared.events.consent import ConsentWord
from shared.events.updates import ContactView, decode_update, encode_update
from shared.kafka.records import Record
from tests.support.deliveries import FACTS, NOBODY, Rows, delivering, rows_of
from tests.support.nurture_service import a_contact, an_update
from tests.support.waiting import until
from tests.unit.nurture.builders import a_workflow

OLD, NEW = "old@example.com", "new@example.com"
THANKS = a_workflow(
    {"send": {"email": "thanks", "fallback": {"webhook": "crm"}}},
    trigger={"on": "lead.captured"}, reentry="always", goal=None, window=None,
)  # fmt: skip


@dataclass
class Told:
    """A nurture that is told updates without a Kafka between."""

    rows: Rows
    handler: UpdatesHandler
    sent: list[str | None] = field(default_factory=list)

    async def hear(self, *updates: bytes) -> None:
        records = [Record("updates", 0, offset, None, value, 0) for offset, value in enumerate(updates)]
        async with self.rows.engine.begin() as conn:
            assert not (await self.handler.handle(conn, records)).dead

    def sending(self) -> Send:
        async def send(given: StoredDelivery, begin: Begin) -> Result:
            await begin()
            self.sent.append(given.recipient)
            return Result(Accepted())

        return send


@pytest.fixture
async def told(database: str) -> AsyncIterator[Told]:
    live = Workflows({THANKS.name: THANKS}, _by_trigger(THANKS), ())
    async with rows_of(database) as rows:
        versions = with_live(live, lambda _condition: None)
        async with rows.engine.begin() as conn:
            await versions.keep_live(conn)
        metrics = make_metrics(CollectorRegistry())
        yield Told(rows, UpdatesHandler(versions, NOBODY, FACTS, metrics, on_sendable=lambda _names: None))


def _by_trigger(*workflows: Workflow) -> dict[str, tuple[Workflow, ...]]:
    return {workflow.trigger.on: (workflow,) for workflow in workflows}


def an_update_by(address: str, contact: ContactView, kind: str = "lead.captured", **changes: Any) -> bytes:
    """An update about the contact, because of an event that names this address. `public`: anybody's."""
    public = changes.pop("public", False)
    event_id, value = an_update(msgspec.structs.replace(contact, email=address), kind)
    update = decode_update(value).data
    event = msgspec.json.decode(update.event)
    if public:
        event["trust"] = "public"
    update = msgspec.structs.replace(update, contact=contact, event=msgspec.Raw(msgspec.json.encode(event)), **changes)
    return encode_update(update, event_id=event_id, time=utc_now(), traceparent=None)


def a_word(address: str | None, *, given: bool, **changes: Any) -> list[ConsentWord]:
    return [ConsentWord(channel="email", address=address, given=given, at=utc_now(), **changes)]


async def test_who_agreed_with_a_new_address_is_not_mailed_at_the_old_one(told: Told) -> None:
    contact = a_contact(email=NEW)
    await told.hear(
        an_update_by(OLD, contact, "engagement", consents=a_word(OLD, given=False)),
        an_update_by(NEW, contact, "engagement", consents=a_word(NEW, given=True)),
        an_update_by(OLD, contact),
    )
    async with delivering(told.rows, told.sending()):
        await until(lambda: told.rows.are("failed"))
        await until(lambda: told.rows.are("delivered"))  # its fallback
        assert await told.rows.one("SELECT reason FROM deliveries WHERE state = 'failed'") == UNWANTED
        await told.hear(an_update_by(NEW, contact))
        await until(lambda: told.rows.are("delivered", 2))
    assert told.sent == [None, NEW]


async def test_a_no_of_one_who_became_another_holds(told: Told) -> None:
    loser, survivor = a_contact(email=None), a_contact(email=NEW)
    await told.hear(an_update_by(NEW, loser, "engagement", consents=a_word(None, given=False)))
    await told.hear(an_update_by(NEW, survivor, merged=[loser.id]))
    async with delivering(told.rows, told.sending()):
        await until(lambda: told.rows.are("failed"))
    assert NEW not in told.sent


async def test_a_stranger_s_no_silences_forms_and_nobody_else(told: Told) -> None:
    contact = a_contact(email=NEW)
    await told.hear(an_update_by(NEW, contact, public=True, consents=a_word(NEW, given=False, public=True)))
    async with delivering(told.rows, told.sending()):
        await until(lambda: told.rows.are("failed"))
        assert await told.rows.one("SELECT reason FROM deliveries WHERE state = 'failed'") == UNWANTED
        await told.hear(an_update_by(NEW, contact))  # our own server's word
        await until(lambda: told.rows.are("delivered", 2))
    assert told.sent == [None, NEW]


async def test_a_stranger_s_yes_lifts_no_no(told: Told) -> None:
    contact = a_contact(email=NEW)
    await told.hear(an_update_by(NEW, contact, "engagement", consents=a_word(NEW, given=False)))
    await told.hear(an_update_by(NEW, contact, public=True, consents=a_word(NEW, given=True, public=True)))
    async with delivering(told.rows, told.sending()):
        await until(lambda: told.rows.are("failed"))
    assert NEW not in told.sent


async def test_two_processes_never_pass_a_cap_of_forms(told: Told) -> None:
    updates = [an_update_by(f"ada+{n}@example.com", a_contact(email=None), public=True) for n in range(8)]
    trusted = [an_update_by("ada@example.com", a_contact(email=None)) for _ in range(2)]
    await told.hear(*updates, *trusted)
    sends = {MAIL: (4, told.sending()), "crm": (4, told.sending())}
    async with delivering(told.rows, sends, instance="one"), delivering(told.rows, sends, instance="two"):
        await until(lambda: told.rows.are("failed", 3))
        await until(lambda: told.rows.are("delivered", 5 + 2 + 3))
    mailed = [address for address in told.sent if address is not None]
    assert len([address for address in mailed if "+" in address]) == 5
    assert mailed.count("ada@example.com") == 2  # what a trusted event causes is not counted
    reasons = await told.rows.all("SELECT DISTINCT reason FROM deliveries WHERE state = 'failed'")
    assert reasons == [("no more than 5 mails a day to or by one recipient for public events",)]
    assert await told.rows.all("SELECT kind, name, sent FROM mail_counts ORDER BY kind") == [
        ("domain", "example.com", 5),
        ("recipient", "ada@example.com", 5),
        ("source", "/sources/website", 5),
    ]
