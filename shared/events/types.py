"""Every event type with its data. Types only ever gain optional fields; a changed meaning is a new type.

`human_likelihood` in [0, 1] with its reasons is on everything that comes from outside: how likely it is that a person
did it. Left out means 1, nothing speaks against it.
"""

from datetime import datetime
from typing import Any, Final, Literal, TypeAlias
from uuid import UUID

from msgspec import Struct
from msgspec.structs import force_setattr

from shared.events.consent import channel_of, purpose_of
from shared.events.identity import Identity
from shared.money import Money

Touch: TypeAlias = Literal["reached", "attempted"]  # how it went
ClaimEnd: TypeAlias = Literal["released", "expired", "snoozed", "merged"]

LIKELY_HUMAN: Final = 0.5  # below it a lead is taken for a robot's: kept and shown, and by default not followed up


class Campaign(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Where a visitor came from: the UTM five, the click ids of the ad networks, and the page that linked here."""

    source: str | None = None
    medium: str | None = None
    name: str | None = None
    term: str | None = None
    content: str | None = None
    gclid: str | None = None
    fbclid: str | None = None
    msclkid: str | None = None
    gbraid: str | None = None
    wbraid: str | None = None
    ttclid: str | None = None
    twclid: str | None = None
    li_fat_id: str | None = None
    referrer: str | None = None


class Consent(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What a person agreed to, with the wording they saw. `proof`: where and how it was given.

    `purposes` are of e-mail alone: who wants no newsletter still wants an answer.
    """

    email: bool | None = None
    phone: bool | None = None
    sms: bool | None = None
    purposes: dict[str, bool] = {}
    wording: str | None = None
    proof: str | None = None


class LeadCaptured(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Somebody asked to be contacted."""

    identity: Identity
    name: str | None = None
    form: str | None = None
    page: str | None = None
    campaign: Campaign | None = None
    interest: str | None = None
    message: str | None = None
    estimated_value: Money | None = None
    traits: dict[str, Any] = {}
    consent: Consent | None = None
    human_likelihood: float = 1.0
    likelihood_reasons: list[str] = []


class ContactIdentified(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What is known of a person; also joins an anonymous id to a known one."""

    identity: Identity
    name: str | None = None
    traits: dict[str, Any] = {}
    human_likelihood: float = 1.0
    likelihood_reasons: list[str] = []


class EngagementRecorded(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Something a contact did: `page_viewed`, `email_opened`, `email_clicked`, `webinar_attended`, ….

    `human_likelihood` in [0, 1]: scanners click every link and mail clients prefetch images.
    """

    identity: Identity
    kind: str
    what: str | None = None
    human_likelihood: float = 1.0
    likelihood_reasons: list[str] = []
    campaign: Campaign | None = None
    properties: dict[str, Any] = {}


class Item(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One line of an order; `price` and `margin` are decimal strings for one piece, in the order's currency."""

    sku: str | None = None
    name: str | None = None
    quantity: int = 1
    price: str | None = None
    margin: str | None = None


class PurchaseCompleted(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """An order was paid. `amount` and `margin` are decimal strings in `currency`."""

    identity: Identity
    order_id: str
    amount: str
    currency: str
    items: list[Item] = []
    margin: str | None = None
    coupon: str | None = None
    human_likelihood: float = 1.0
    likelihood_reasons: list[str] = []


class PurchaseRefunded(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Money of an order went back, in part or whole. `total`: the amount is all that went back until then."""

    identity: Identity
    order_id: str
    amount: str
    currency: str
    total: bool = False
    human_likelihood: float = 1.0
    likelihood_reasons: list[str] = []


class ContactTouched(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """We got in touch, or tried. Only a human touch stops the first-hour clock."""

    identity: Identity
    who: str
    channel: str
    outcome: Touch = "attempted"
    human: bool = False
    enrolment: UUID | None = None
    note: str | None = None


class ReferralMade(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A contact named somebody else."""

    identity: Identity
    referred: Identity
    human_likelihood: float = 1.0
    likelihood_reasons: list[str] = []


class FeedbackGiven(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """An NPS answer (0 to 10) or a rating, with its text."""

    identity: Identity
    kind: Literal["nps", "rating"] = "nps"
    score: float
    text: str | None = None
    human_likelihood: float = 1.0
    likelihood_reasons: list[str] = []


class ConsentChanged(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A consent was given or withdrawn, with its proof. Without a purpose it is the general one.

    Wherever it is read, `channel` and `purpose` get the one name that we compare ("E-Mail" is `email`).
    """

    identity: Identity
    channel: str
    given: bool
    purpose: str | None = None
    wording: str | None = None
    proof: str | None = None
    human_likelihood: float = 1.0
    likelihood_reasons: list[str] = []

    def __post_init__(self) -> None:
        """Name channel and purpose as everybody does."""
        force_setattr(self, "channel", channel_of(self.channel))
        force_setattr(self, "purpose", purpose_of(self.purpose))


class CostRecorded(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What a source or campaign cost in a period. About no contact.

    Told again with the same `cost_id` it replaces what was told before. `period_end` is not part of the period.
    """

    amount: str
    currency: str
    source: str | None = None
    campaign: str | None = None
    period_start: datetime | None = None
    period_end: datetime | None = None
    cost_id: str | None = None


class Followup(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A fact from nurture about one delivery: scheduled, sent, failed, expired or answered."""

    identity: Identity
    enrolment: UUID
    workflow: str
    step: str
    channel: str
    target: str
    delivery: UUID
    attempt: int = 0
    reason: str | None = None


class ContactAged(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Time alone has brought a contact to another tier: a fact of scoring, so that its values are told anew."""

    identity: Identity
    tier: str | None = None


class ContactClaimed(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A person of ours has taken a contact on, until `until` unless they say otherwise. A fact of scoring."""

    identity: Identity
    claim: UUID
    who: str
    until: datetime


class ContactReleased(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Nobody has the contact any more: given back, run out, or put off until `snoozed_until`. A fact of scoring."""

    identity: Identity
    claim: UUID
    who: str
    reason: ClaimEnd
    snoozed_until: datetime | None = None


class ContactParted(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A person has said that two contacts that were merged are two people: this one, and `other`. A fact of scoring."""

    identity: Identity
    other: UUID


DATA_TYPES: Final[dict[str, type[Struct]]] = {
    "lead.captured": LeadCaptured,
    "contact.identified": ContactIdentified,
    "engagement.recorded": EngagementRecorded,
    "purchase.completed": PurchaseCompleted,
    "purchase.refunded": PurchaseRefunded,
    "contact.touched": ContactTouched,
    "referral.made": ReferralMade,
    "feedback.given": FeedbackGiven,
    "consent.changed": ConsentChanged,
    "cost.recorded": CostRecorded,
    "followup.scheduled": Followup,
    "followup.sent": Followup,
    "followup.failed": Followup,
    "followup.expired": Followup,
    "followup.answered": Followup,
    "contact.aged": ContactAged,
    "contact.claimed": ContactClaimed,
    "contact.released": ContactReleased,
    "contact.parted": ContactParted,
}
OURS: Final = frozenset(name for name in DATA_TYPES if name.startswith("followup.")) | {
    "contact.aged",
    "contact.claimed",
    "contact.released",
    "contact.parted",
}
"""Facts of the services themselves: nobody outside may tell them."""
