"""An accepted event's way on: scoring folds it, its update fits into a message, nurture reads it, decides and writes.

Pure: what the loops of the services do between reading a record and writing rows, by the rules that they call.
"""

import functools
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID, uuid4

import msgspec
from msgspec import Raw

from services.nurture.channels.email.content import Template, load_templates, render
from services.nurture.channels.email.settings import MailServer
from services.nurture.domain.advance import advance, hear
from services.nurture.domain.context import Context, read_update
from services.nurture.domain.deliveries.delivery import NewDelivery
from services.nurture.domain.deliveries.fallback import fallback_of
from services.nurture.domain.deliveries.followup import LARGEST
from services.nurture.domain.enrolment import Arrived, Decision, Enrolment, decode_enrolment, encode_enrolment
from services.nurture.domain.entry import begin, may_enrol
from services.nurture.domain.mail.consent import last_words, permits, said
from services.nurture.domain.workflow import Workflow
from services.nurture.language.compile import compile_workflow
from services.nurture.language.conditions import variables
from services.scoring.consume.batch import Batch, Folded
from services.scoring.domain.contact.contact import ContactState
from services.scoring.domain.contact.fold import order_after, order_key
from services.scoring.domain.contact.view import view
from services.scoring.domain.customer.orders import Order
from services.scoring.domain.identity.identity import named
from shared.events.envelope import Decoded, Trust, encode
from shared.events.types import CostRecorded, PurchaseCompleted
from shared.events.updates import Update, Values, decode_update, encode_update
from shared.kafka.topics import MAX_MESSAGE_BYTES
from tests.unit.nurture.builders import an_update
from tests.unit.scoring.builders import (
    MODEL,
    NOW,
    a_contact,
    a_lead,
    a_purchase,
    a_refund,
    a_touch,
    an_engagement,
    an_event,
    an_identification,
)

_SLACK = 2048  # bytes of a message that are not its value
_SERVER = MailServer("localhost", 25, "none", None, None, "hello@example.com", "Ada", 1)
_TRUSTS: tuple[Trust, Trust] = ("trusted", "public")


@dataclass(frozen=True)
class Earlier:
    """What was known before: contacts, whose the event's keys are, and the order that it names, of each of them."""

    states: dict[UUID, ContactState] = field(default_factory=dict)
    keys: dict[str, UUID] = field(default_factory=dict)
    order: Order | None = None


def goes_all_the_way(decoded: Decoded) -> None:
    """Nobody dead-letters it, whoever said it and whatever was known before. Whatever is raised fails the test."""
    if isinstance(decoded.data, CostRecorded):
        return  # about no contact
    for trust in _TRUSTS:
        if not named(decoded.data.identity, decoded.event.source, trust).keys:
            continue  # an order alone: only a verified webhook names it, and that is trusted
        said_by = Decoded(msgspec.structs.replace(decoded.event, trust=trust), decoded.data)
        for earlier in _earlier(said_by):
            nurtured(scored(said_by, earlier))


def scored(decoded: Decoded, earlier: Earlier) -> bytes:
    """The update that scoring publishes of it."""
    batch = Batch(MODEL, NOW, dict(earlier.states), dict(earlier.keys), uuid4)
    key = order_key(*decoded)
    if key is not None and earlier.order is not None:
        batch.orders = {contact_id: {key: earlier.order} for contact_id in earlier.states}
    return update_of(decoded, batch.fold(decoded))


def update_of(decoded: Decoded, folded: Folded) -> bytes:
    """As `services/scoring/consume/handler.py` makes it."""
    update = Update(
        contact=view(folded.state, MODEL),
        before=folded.before,
        after=Values(folded.state.lead, folded.state.customer),
        bookings=folded.bookings,
        event=Raw(encode(decoded.event)),
        event_type=decoded.event.type,
        merged=list(folded.absorbed),
        consents=list(folded.consents),
    )
    sent = encode_update(update, event_id=decoded.event.id, time=NOW, traceparent=None)
    assert len(sent) <= MAX_MESSAGE_BYTES - _SLACK
    return sent


def nurtured(sent: bytes) -> None:
    """What nurture does with it: consents noted, runs moved, a run begun, its messages written."""
    envelope = decode_update(sent)
    update = read_update(envelope)
    words = last_words(
        word
        for each in envelope.data.consents
        for word in said(each, contact_id=update.contact.id, newest_address=update.contact.email)
    )
    permits(words, "marketing")
    variables(Context(update.contact, update.values, update.event, NOW))
    workflow = _workflow(update.event.type)
    run = _run(workflow)
    _takes(hear(run, update))
    _takes(advance(workflow, run, Arrived(update), NOW))
    may_enrol(workflow, update, (), NOW)
    begun = begin(workflow, update, NOW)
    _takes(begun)
    for delivery in begun.deliveries:
        _sends(delivery)


def _takes(decision: Decision) -> None:
    """The run and its deliveries can be kept."""
    assert decode_enrolment(encode_enrolment(decision.enrolment)) == decision.enrolment
    for delivery in decision.deliveries:
        assert len(delivery.payload) < LARGEST
        fallback = fallback_of(delivery, "answered 500", NOW)
        assert fallback is None or len(fallback.payload) < LARGEST


def _sends(delivery: NewDelivery) -> None:
    if delivery.channel == "email" and delivery.recipient is not None:
        template = _templates()["thanks"]
        render(template, delivery.payload, delivery.recipient, delivery_id=delivery.id, server=_SERVER, now=NOW)


def _earlier(decoded: Decoded) -> list[Earlier]:
    """Nobody; somebody known by a trusted sender, or by strangers alone; one of much history; as many as it has keys."""
    event, data = decoded
    keys = named(data.identity, event.source, event.trust).keys
    order = None
    if order_key(event, data) is not None:
        bought = PurchaseCompleted(identity=data.identity, order_id=data.order_id, amount="70.00", currency="EUR")
        order = order_after(None, an_event(bought, source=event.source).event, bought)
    one = a_contact("one", keys=keys, captured=NOW.timestamp())
    grown = msgspec.structs.replace(_grown(), keys=keys)
    many = {key: a_contact(key, keys=(key,), captured=NOW.timestamp() - n) for n, key in enumerate(keys)}
    return [
        Earlier(),
        *(Earlier({each.id: each}, dict.fromkeys(keys, each.id), order) for each in (one, _claimed(one), grown)),
        Earlier({each.id: each for each in many.values()}, {key: each.id for key, each in many.items()}, order),
    ]


def _claimed(state: ContactState) -> ContactState:
    return msgspec.structs.replace(state, claimed=state.keys)


@functools.cache
def _grown() -> ContactState:
    """A contact that was told more than it has room for."""
    batch = Batch(MODEL, NOW, {}, {}, uuid4)
    who = {"email": "ada@example.com"}
    events = [a_lead(**who, message="x" * 9000, interest="pricing"), a_touch(**who)]
    events += [
        an_identification(**who, event=f"i{n}", traits={f"trait {n}.{m}": ["x" * 900] for m in range(20)})
        for n in range(5)
    ]
    events += [an_engagement(**who, event=f"e{n}", kind=f"kind {n}") for n in range(70)]
    events += [a_purchase(**who, order_id=f"o{n}", event=f"o{n}") for n in range(9)]
    events += [a_refund(**who, order_id=f"o{n}", event=f"r{n}") for n in range(5)]
    folded = [batch.fold(each) for each in events]
    return folded[-1].state


@functools.cache
def _templates() -> dict[str, Template]:
    return dict(load_templates(Path(__file__).parents[2] / "config"))


@functools.cache
def _run(workflow: Workflow) -> Enrolment:
    """One that began before, and waits for what comes."""
    return begin(workflow, an_update(workflow.trigger.on), NOW).enrolment


@functools.cache
def _workflow(kind: str) -> Workflow:
    """Every kind of step that may look at what an event of this type said."""
    waits = {"wait_for": {"event": kind, "where": 'event.identity.email == "grace@example.com"', "timeout": "15m"}}
    return compile_workflow(
        {
            "workflow": "sample",
            "trigger": {"on": kind, "max_age": "60m"},
            "where": 'contact.country != "XX"',
            "goal": {"on": "purchase.completed"},
            "window": {"length": "60m", "stops_on": "human_touch"},
            "quiet_hours": "21:00-08:00",
            "steps": [
                {"send": {"webhook": "a", "deadline": "5m", "fallback": {"webhook": "b"}}},
                {"send": {"email": "thanks", "purpose": "marketing"}},
                {"branch": [{"when": "lead.value >= 500.00", "steps": [{"send": {"task": "call"}}]}]},
                {"branch": [{"when": "contact.traits.size > 5", "steps": [{"send": {"webhook": "a"}}]}]},
                waits,
                {"wait": {"for": "30m", "respect": "quiet_hours"}},
                {"send": {"task": "call", "deadline": "5m", "fallback": {"webhook": "b"}}},
            ],
        }
    )
