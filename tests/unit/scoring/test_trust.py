"""What a claim changes: each kind, about a contact that is unknown, known by a stranger, or known by a trusted sender.

The table is the rule (DESIGN section 4, trust): in each cell, what comes of it when a trusted sender claims it, then
what comes of it when a stranger does.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple
from uuid import uuid4

import msgspec
import pytest

from services.scoring.consume.batch import Batch, Folded
from services.scoring.domain.contact.contact import ContactState
from services.scoring.domain.contact.view import view
from services.scoring.domain.identity.identity import vouched
from services.scoring.domain.lead import value as lead_value
from services.scoring.domain.model.scorecard import SourceModel
from services.scoring.domain.trust import happened
from shared.events.envelope import Decoded, Trust
from shared.events.identity import Identity
from shared.events.types import Consent, ConsentChanged, Followup
from shared.money import Money
from tests.unit.scoring.builders import (
    NOW,
    a_lead,
    a_model,
    a_purchase,
    a_touch,
    an_engagement,
    an_event,
    an_id,
    an_identification,
    minutes,
)

MODEL: Final = a_model(sources={"default": SourceModel(-2.94, 0, estimate_limit=10_000_00)})
ADA, ME = "ada@example.com", "me@example.com"
HERS, MINE, THEIRS = "+441632960961", "+441632960962", "+441632960963"
CLAIMED, RECEIVED = NOW + minutes(60), NOW + minutes(6000)


class After(NamedTuple):
    """What there is after the claim, and who was Ada before it."""

    batch: Batch
    folded: Folded
    ada: ContactState | None

    @property
    def whose(self) -> str:
        """Whom the event was about."""
        return "hers" if self.ada is not None and self.folded.state.id == self.ada.id else "apart"

    def key(self, key: str) -> str:
        """What is thought of a key: whose it is, and whether by a stranger's word."""
        now = self.batch.states[self.batch.keys[key]]
        return f"{self.whose}, {'vouched' if vouched(now, key) else 'claimed'}"

    def number(self, phone: str) -> str:
        """Whom a number leads to after the event: still to whom it did, or to whom it was about."""
        newest = self.batch.keys[f"phone:{phone}"] == self.folded.state.id
        return f"{self.whose}, {'points to it' if newest else 'stays'}"

    def word(self, name: str) -> str:
        return str(self.folded.state.get(name))


def before(known_by: Trust | None) -> tuple[Batch, ContactState | None]:
    """Ada as she is known, beside somebody of whom a trusted sender knows a number."""
    batch = Batch(MODEL, NOW, {}, {}, uuid4)
    batch.fold(a_purchase(phone=THEIRS, event="theirs"))
    if known_by is None:
        return batch, None
    known = a_lead(
        email=ADA, phone=HERS, user_id="42", anonymous_id="x", name="Ada", trust=known_by, event="ada",
        consent=Consent(email=True), estimated_value=Money("500.00", "EUR"),
    )  # fmt: skip
    return batch, batch.fold(known).state


def made(build: Callable[..., Decoded], **given: Any) -> Callable[[Trust], Decoded]:
    return lambda trust: build(**given, trust=trust, at=CLAIMED, received=RECEIVED, event="claim")


def a_change(*, given: bool, **event: Any) -> Decoded:
    data = ConsentChanged(identity=Identity(email=ADA), channel="email", given=given)
    return an_event(data, name=event.pop("event"), **event)


def day(seconds: float | None) -> str:
    return {CLAIMED.timestamp(): "as claimed", RECEIVED.timestamp(): "at receipt"}.get(seconds or 0, "unchanged")


CLAIMS: Final[Mapping[str, tuple[Callable[[Trust], Decoded], Callable[[After], str]]]] = {
    "identity: a new number beside her address": (
        made(a_lead, email=ADA, phone=MINE), lambda it: it.key(f"phone:{MINE}")),
    "address: mine beside her number": (
        made(a_lead, email=ME, phone=HERS), lambda it: it.number(HERS)),
    "address: mine beside the number of somebody without one": (
        made(a_lead, email=ME, phone=THEIRS), lambda it: it.number(THEIRS)),
    "address: mine beside her user id": (
        made(an_identification, email=ME, user_id="42"), lambda it: it.whose),
    "address: mine beside her device": (
        made(an_identification, email=ME, anonymous_id="x"), lambda it: it.whose),
    "address: hers, so it is proven": (
        made(an_identification, email=ADA), lambda it: str(view(it.folded.state, MODEL).proven)),
    "two contacts: her address beside the number of somebody else": (
        made(a_lead, email=ADA, phone=THEIRS), lambda it: "joined" if it.folded.absorbed else it.number(THEIRS)),
    "id: her user id alone": (
        made(an_engagement, user_id="42"), lambda it: it.whose),
    "trait: another name": (
        made(a_lead, email=ADA, name="Eve"), lambda it: it.word("name")),
    "trait: one that is unknown": (
        made(a_lead, email=ADA, traits={"company": "Engines"}), lambda it: it.word("trait:company")),
    "consent: withdrawn": (
        made(a_change, given=False), lambda it: str(view(it.folded.state, MODEL).consent.get("email"))),
    "time: of a lead": (
        made(a_lead, email=ADA), lambda it: day(it.folded.state.captured)),
    "money: a huge estimate": (
        made(a_lead, email=ADA, estimated_value=Money("999999999999", "EUR")), lambda it: str(lead_value.estimate(it.folded.state, MODEL))),
    "money: a purchase": (
        made(a_purchase, email=ADA), lambda it: f"{it.folded.state.paid_orders}, {it.folded.state.stage}"),
    "touch: she was called": (
        made(a_touch, email=ADA), lambda it: day(it.folded.state.touched)),
}  # fmt: skip

KNOWN_BY: Final[tuple[Trust | None, ...]] = (None, "public", "trusted")
SENDERS: Final[tuple[Trust, ...]] = ("trusted", "public")
HUGE = "99999999999900"
TABLE: Final[Mapping[str, tuple[tuple[str, str], tuple[str, str], tuple[str, str]]]] = {
    #  unknown                               known by a stranger                   known by a trusted sender
    "identity: a new number beside her address": (
        ("apart, vouched", "apart, claimed"), ("hers, vouched", "hers, claimed"), ("hers, vouched", "hers, claimed")),
    "address: mine beside her number": (
        ("apart, points to it", "apart, points to it"),
        ("apart, points to it", "apart, stays"),
        ("apart, points to it", "apart, stays")),
    "address: mine beside the number of somebody without one": (
        ("apart, points to it", "apart, stays"),
        ("apart, points to it", "apart, stays"),
        ("apart, points to it", "apart, stays")),
    "address: mine beside her user id": (("apart", "apart"), ("apart", "apart"), ("hers", "apart")),
    "address: mine beside her device": (("apart", "apart"), ("apart", "apart"), ("apart", "apart")),
    "address: hers, so it is proven": (("True", "False"), ("True", "False"), ("True", "True")),
    "two contacts: her address beside the number of somebody else": (
        ("apart, points to it", "apart, stays"), ("joined", "hers, stays"), ("joined", "hers, stays")),
    "id: her user id alone": (("apart", "apart"), ("apart", "hers"), ("hers", "apart")),
    "trait: another name": (("Eve", "Eve"), ("Eve", "Eve"), ("Eve", "Ada")),
    "trait: one that is unknown": (("Engines", "Engines"), ("Engines", "Engines"), ("Engines", "Engines")),
    "consent: withdrawn": (("False", "None"), ("False", "None"), ("False", "True")),  # what a stranger says is not shown
    "time: of a lead": (
        ("as claimed", "at receipt"), ("as claimed", "at receipt"), ("as claimed", "at receipt")),
    "money: a huge estimate": ((HUGE, "1000000"), (HUGE, "1000000"), (HUGE, "50000")),
    "money: a purchase": (("1, customer", "0, visitor"), ("1, customer", "0, lead"), ("1, customer", "0, lead")),
    "touch: she was called": (
        ("as claimed", "unchanged"), ("as claimed", "unchanged"), ("as claimed", "unchanged")),
}  # fmt: skip


@pytest.mark.parametrize("claim", CLAIMS)
def test_what_a_claim_changes(claim: str) -> None:
    build, seen = CLAIMS[claim]
    found = []
    for known_by in KNOWN_BY:
        cell = []
        for sender in SENDERS:
            batch, ada = before(known_by)
            cell.append(seen(After(batch, batch.fold(build(sender)), ada)))
        found.append(tuple(cell))
    assert tuple(found) == TABLE[claim]


def test_the_table_names_every_claim() -> None:
    assert CLAIMS.keys() == TABLE.keys()


def test_a_stranger_decides_not_where_a_customer_lives() -> None:
    batch, _ = before("trusted")
    claims = {"country": "XX", "time_zone": "Asia/Tokyo", "locale": "ja", "size": 3}
    seen = view(batch.fold(a_lead(email=ADA, trust="public", traits=claims, event="xx")).state, MODEL)
    assert (seen.country, seen.time_zone, seen.locale) == (MODEL.home.country, MODEL.home.time_zone, None)
    assert seen.traits == claims, "it is kept, as what somebody said"
    seen = view(batch.fold(a_lead(email=ADA, traits={"country": "FR"}, event="fr")).state, MODEL)
    assert seen.country == "FR"
    alone = view(batch.fold(a_lead(email=ME, trust="public", traits=claims, event="me")).state, MODEL)
    assert (alone.country, alone.time_zone) == ("XX", "Asia/Tokyo"), (
        "who is known by a form alone is believed about himself"
    )


def test_what_only_strangers_said_of_a_customer_is_marked() -> None:
    batch, _ = before("trusted")
    claims = {"company": "Engines", "size": 3}
    seen = view(
        batch.fold(a_lead(email=ADA, trust="public", name="Eve", interest="x", traits=claims, event=1)).state, MODEL
    )
    assert (seen.proven, seen.name, seen.hearsay) == (True, "Ada", ["interest", "traits.company", "traits.size"])
    seen = view(batch.fold(a_lead(email=ADA, interest="y", traits={"size": 4}, event=2)).state, MODEL)
    assert seen.hearsay == ["traits.company"]
    alone = view(batch.fold(a_lead(email=ME, trust="public", name="Eve", event=3)).state, MODEL)
    assert (alone.proven, alone.hearsay) == (False, []), "of whom nobody is sure, all is"


def test_a_strangers_consent_counts_for_nobody_whose_device_it_joins() -> None:
    batch, ada = before("trusted")
    assert ada is not None
    batch.fold(a_change(given=False, trust="trusted", event="no", at=CLAIMED))
    fresh = batch.fold(a_lead(trust="public", anonymous_id="new", consent=Consent(phone=True), event=1)).state
    joined = batch.fold(a_lead(trust="public", anonymous_id="new", email="bea@example.com", event=2)).state
    assert (joined.id, view(joined, MODEL).consent) == (fresh.id, {"phone": True}), "it was hers alone"
    batch.fold(a_lead(trust="public", anonymous_id="newer", consent=Consent(sms=True), event=3))
    after = batch.fold(a_lead(trust="public", anonymous_id="newer", email=ADA, event=4)).state
    assert (after.id, view(after, MODEL).consent) == (ada.id, {"email": False})


@pytest.mark.parametrize(
    ("proof", "proven"),
    [
        (lambda i: an_engagement(contact_id=i, kind="email_clicked"), True),
        (lambda i: an_engagement(contact_id=i, kind="email_replied"), True),
        (lambda i: an_engagement(contact_id=i, kind="email_opened"), False),
        (lambda i: an_engagement(contact_id=i, kind="email_clicked", human_likelihood=0.1), False),
        (lambda i: an_engagement(contact_id=i, kind="email_clicked", email=ME), False),
        (lambda _: an_engagement(email=ADA, kind="email_clicked", trust="public"), False),
        (lambda i: an_engagement(email=ADA, contact_id=i, kind="email_clicked", trust="public"), False),
        (lambda i: a_fact(i, "followup.answered", "email"), True),
        (lambda i: a_fact(i, "followup.answered", "webhook"), False),
        (lambda i: a_fact(i, "followup.sent", "email"), False),
        (lambda _: an_identification(email=ADA), True),
        (lambda _: an_identification(email=ADA, human_likelihood=0.1), False),
    ],
)
def test_an_address_is_proven_by_an_answer_or_a_trusted_sender(proof: Callable[[Any], Decoded], proven: bool) -> None:
    batch, ada = before("public")
    assert ada is not None
    assert not view(ada, MODEL).proven
    state = batch.fold(proof(ada.id)).state
    assert (state.id, view(state, MODEL).proven) == (ada.id, proven)


def a_fact(contact: Any, kind: str, channel: str) -> Decoded:
    data = Followup(
        identity=Identity(contact_id=contact), enrolment=an_id(1), workflow="w", step="1", channel=channel,
        target="thanks", delivery=an_id(2),
    )  # fmt: skip
    event, _ = an_event(data, name="fact", source="/nurture")
    return Decoded(msgspec.structs.replace(event, type=kind), data)


@pytest.mark.parametrize("trust", ["trusted", "public"])
def test_when_it_happened(trust: Trust) -> None:
    """As a trusted sender says, unless its clock is ahead; of a stranger's word only when it came is believed."""
    late = a_lead(email=ADA, at=CLAIMED, received=RECEIVED, trust=trust)
    assert happened(late.event) == (CLAIMED if trust == "trusted" else RECEIVED)
    ahead = msgspec.structs.replace(late.event, time=RECEIVED, receivedtime=CLAIMED)
    assert happened(ahead) == CLAIMED
