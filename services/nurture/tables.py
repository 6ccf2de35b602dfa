"""The tables of schema `nurture`. The row is the queue: what is due is found by index, claimed, and only then done.

A row that waits, one that is claimed and one that is finished sit in different partial indexes, so that what is
scanned every few milliseconds holds only what waits. The CHECKs tie each state to its timestamps.
"""

from collections.abc import Sequence
from typing import Final, get_args

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import BYTEA, UUID

from services.nurture.domain.deliveries.delivery import Attempt, State, TaskState
from services.nurture.domain.enrolment import Status
from services.nurture.domain.entry import Reason
from services.nurture.domain.mail.caps import Kind
from services.nurture.domain.mail.confirmation import Confirmation
from shared.db.tables.audit import audit_table
from shared.db.tables.checks import one_of
from shared.db.tables.facts import fact_columns
from shared.db.tables.offset_tables import offset_tables
from shared.events.lanes import LANES
from shared.events.types import Touch

SCHEMA: Final = "nurture"
MOST_TRIES: Final = 20  # between two replays; the plan in domain/deliveries/retry.py has 16
MOST_ATTEMPTS: Final = 1000
LONGEST_EXCERPT: Final = 400  # bytes
LONGEST_REASON: Final = 300  # characters

SENT_BY: Final = ("webhook", "email")  # channels; a test compares them with services/nurture/channels

metadata = sa.MetaData(schema=SCHEMA)
offset_tables(metadata)
audit_table(metadata)


def sent_by(channels: Sequence[str]) -> str:
    """The CHECK on the channel of a delivery."""
    return one_of("channel", channels)


def _id(name: str = "id", *, primary_key: bool = False) -> "sa.Column[object]":
    return sa.Column(name, UUID(as_uuid=True), primary_key=primary_key, nullable=False)


def _at(name: str, *, nullable: bool = True) -> "sa.Column[object]":
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _text(name: str, *, nullable: bool = False, primary_key: bool = False) -> "sa.Column[str]":
    return sa.Column(name, sa.Text, nullable=nullable, primary_key=primary_key)


workflow_versions = sa.Table(
    "workflow_versions",
    metadata,
    _text("name", primary_key=True),
    _text("version", primary_key=True),
    _text("source"),
    sa.Column("first_seen", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
)

enrolments = sa.Table(
    "enrolments",
    metadata,
    _id(primary_key=True),
    _text("workflow"),
    _text("version"),
    _id("contact_id"),
    _text("status"),
    sa.Column("listens", sa.Boolean, nullable=False),  # whether updates about the contact still matter
    _at("due_at"),
    _at("triggered_at", nullable=False),  # the trigger's own time
    _at("started_at", nullable=False),
    _at("ended_at"),
    _at("window_opened_at"),
    _at("window_closes_at"),
    _at("window_stopped_at"),
    _text("window_stopped_by", nullable=True),
    _at("window_missed_at"),  # noticed that nobody had got in touch when it closed
    _text("parked_reason", nullable=True),  # moving it failed: its timer is left alone until nurture starts anew
    sa.Column("document", BYTEA, nullable=False),  # the whole enrolment: domain/enrolment.py
    sa.ForeignKeyConstraint(
        ["workflow", "version"],
        [workflow_versions.c.name, workflow_versions.c.version],
        name="enrolments_version_known",
    ),
    sa.CheckConstraint(one_of("status", get_args(Status)), name="enrolments_status"),
    sa.CheckConstraint("(status = 'active') = (ended_at IS NULL)", name="enrolments_ended"),
    sa.CheckConstraint("due_at IS NULL OR status = 'active'", name="enrolments_due"),
    sa.CheckConstraint("parked_reason IS NULL OR status = 'active'", name="enrolments_parked"),
    sa.CheckConstraint("(window_opened_at IS NULL) = (window_closes_at IS NULL)", name="enrolments_window"),
    sa.CheckConstraint(
        "(window_stopped_at IS NULL) = (window_stopped_by IS NULL) "
        "AND (window_stopped_at IS NULL OR window_opened_at IS NOT NULL)",
        name="enrolments_window_stopped",
    ),
    sa.CheckConstraint(
        "listens = (status = 'active' OR (window_opened_at IS NOT NULL AND window_stopped_at IS NULL))",
        name="enrolments_listens",
    ),
    sa.Index(
        "enrolments_one_active", "workflow", "contact_id", unique=True, postgresql_where=sa.text("status = 'active'")
    ),
    sa.Index("enrolments_contact", "contact_id"),
    sa.Index(
        "enrolments_due",
        "due_at",
        "id",
        postgresql_where=sa.text("status = 'active' AND due_at IS NOT NULL AND parked_reason IS NULL"),
    ),
    sa.Index("enrolments_put_aside", "id", postgresql_where=sa.text("parked_reason IS NOT NULL")),
    sa.Index(
        "enrolments_open_window",
        "window_closes_at",
        "id",
        postgresql_where=sa.text(
            "window_closes_at IS NOT NULL AND window_stopped_at IS NULL AND window_missed_at IS NULL"
        ),
    ),
    sa.Index("enrolments_newest", "started_at", "id"),
    sa.Index("enrolments_ended", "ended_at", postgresql_where=sa.text("ended_at IS NOT NULL")),
    sa.Index(
        "enrolments_missed",
        "started_at",
        "id",
        postgresql_where=sa.text("window_missed_at IS NOT NULL AND window_stopped_at IS NULL"),
    ),
)

deliveries = sa.Table(
    "deliveries",
    metadata,
    _id(primary_key=True),  # the webhook-id
    _id("enrolment_id"),
    _text("step"),
    _text("channel"),
    _text("target"),  # the webhook's or the template's name
    _text("endpoint"),  # whose queue it stands in
    sa.Column("lane", sa.Text, nullable=False, server_default=sa.text("'live'")),  # of the event that it follows
    _text("rep", nullable=True),  # an e-mail that tells this rep of a task, not one for the contact
    sa.Column("is_first", sa.Boolean, nullable=False),  # what the enrolment sends first: its delay is measured
    _text("state"),
    _at("created_at", nullable=False),
    _at("due_at", nullable=False),
    _at("deadline_at"),
    _at("expires_at"),  # when the fallback goes: a little before the deadline
    _text("fallback_channel", nullable=True),
    _text("fallback_target", nullable=True),
    sa.Column("attempts", sa.Integer, nullable=False, server_default=sa.text("0")),  # ever
    sa.Column("tries", sa.Integer, nullable=False, server_default=sa.text("0")),  # since made or replayed
    _at("claimed_at"),
    _at("began_at"),  # when the sending under way began: from then on something may have left
    _at("lease_until"),
    sa.Column("lease_token", UUID(as_uuid=True)),
    _text("leased_by", nullable=True),
    sa.Column("withdrawn", sa.Boolean, nullable=False, server_default=sa.text("false")),  # cancelled while under way
    _at("finished_at"),
    _text("reason", nullable=True),  # of the last failure
    sa.Column("payload", BYTEA, nullable=False),
    _text("recipient", nullable=True),  # the address of a mail that goes outside
    _text("purpose", nullable=True),  # of that mail: what its recipient is asked to agree to
    _text("public_source", nullable=True),  # of that mail: the source of the public event that caused it
    _text("confirmation", nullable=True),  # of that mail: it asks for its address to be confirmed, or needs that
    _at("confirmed_at"),  # when its reader said that the address is theirs
    sa.ForeignKeyConstraint(["enrolment_id"], [enrolments.c.id], name="deliveries_enrolment"),
    sa.UniqueConstraint("enrolment_id", "step", "channel", name="deliveries_once"),
    sa.CheckConstraint(sent_by(SENT_BY), name="deliveries_channel"),
    sa.CheckConstraint("rep IS NULL OR channel = 'email'", name="deliveries_rep"),
    sa.CheckConstraint("recipient IS NULL OR (channel = 'email' AND rep IS NULL)", name="deliveries_recipient"),
    sa.CheckConstraint(
        "(recipient IS NULL) = (purpose IS NULL) AND (recipient IS NOT NULL OR public_source IS NULL)",
        name="deliveries_purpose",
    ),
    sa.CheckConstraint(
        f"confirmation IS NULL OR (recipient IS NOT NULL AND {one_of('confirmation', get_args(Confirmation))})",
        name="deliveries_confirmation",
    ),
    sa.CheckConstraint("confirmed_at IS NULL OR recipient IS NOT NULL", name="deliveries_confirmed"),
    sa.CheckConstraint(one_of("lane", LANES), name="deliveries_lane"),
    sa.CheckConstraint(
        one_of("state", get_args(State)),
        name="deliveries_state",
    ),
    sa.CheckConstraint(
        "(state = 'claimed') = (lease_until IS NOT NULL) AND (state = 'claimed') = (lease_token IS NOT NULL) "
        "AND (state = 'claimed') = (leased_by IS NOT NULL) AND (state <> 'claimed' OR claimed_at IS NOT NULL)",
        name="deliveries_lease",
    ),
    sa.CheckConstraint("began_at IS NULL OR state = 'claimed'", name="deliveries_began"),
    sa.CheckConstraint("NOT withdrawn OR state <> 'pending'", name="deliveries_withdrawn"),
    sa.CheckConstraint(
        "(state IN ('pending', 'claimed', 'parked')) = (finished_at IS NULL)", name="deliveries_finished"
    ),
    sa.CheckConstraint("state <> 'parked' OR reason IS NOT NULL", name="deliveries_parked"),
    sa.CheckConstraint("state <> 'delivered' OR attempts > 0", name="deliveries_attempted"),
    sa.CheckConstraint("(fallback_channel IS NULL) = (fallback_target IS NULL)", name="deliveries_fallback"),
    sa.CheckConstraint(
        f"tries BETWEEN 0 AND {MOST_TRIES} AND attempts BETWEEN tries AND {MOST_ATTEMPTS}", name="deliveries_attempts"
    ),
    sa.Index("deliveries_pending", "endpoint", "lane", "due_at", "id", postgresql_where=sa.text("state = 'pending'")),
    sa.Index("deliveries_asking", "recipient", postgresql_where=sa.text("confirmation = 'asks'")),
    sa.Index("deliveries_confirmed_address", "recipient", postgresql_where=sa.text("confirmed_at IS NOT NULL")),
    sa.Index("deliveries_leases", "lease_until", postgresql_where=sa.text("state = 'claimed'")),
    sa.Index(
        "deliveries_expiring",
        "expires_at",
        postgresql_where=sa.text("state = 'pending' AND expires_at IS NOT NULL"),
    ),
    sa.Index("deliveries_put_aside", "id", postgresql_where=sa.text("state = 'parked'")),
    sa.Index("deliveries_newest", "created_at", "id"),
    sa.Index("deliveries_failed", "created_at", "id", postgresql_where=sa.text("state = 'failed'")),
    sa.Index("deliveries_expired", "created_at", "id", postgresql_where=sa.text("state = 'expired'")),
    # Claimed, begun and recorded, a row is written three times: with room for it, each time in the page where it is.
    # What is sent is stored beside it, so that these rows are small.
    postgresql_with={"fillfactor": "50", "toast_tuple_target": "256"},
)

attempts = sa.Table(
    "attempts",
    metadata,
    _id("delivery_id", primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    _at("started_at", nullable=False),
    _at("finished_at", nullable=False),
    sa.Column("status", sa.Integer),  # HTTP's or SMTP's, when there was one
    _text("outcome"),
    _text("reason", nullable=True),
    _text("excerpt", nullable=True),  # the start of what the receiver answered
    sa.ForeignKeyConstraint(["delivery_id"], [deliveries.c.id], name="attempts_delivery"),
    sa.CheckConstraint(one_of("outcome", get_args(Attempt)), name="attempts_outcome"),
    sa.CheckConstraint(f"octet_length(excerpt) <= {LONGEST_EXCERPT}", name="attempts_excerpt"),
    sa.CheckConstraint("number > 0", name="attempts_number"),
    sa.Index("attempts_age", "finished_at", postgresql_using="brin"),
)

tasks = sa.Table(
    "tasks",
    metadata,
    _id(primary_key=True),
    _id("enrolment_id"),
    _text("step"),
    _text("name"),
    _text("rep", nullable=True),
    _text("state"),
    _at("created_at", nullable=False),
    _at("deadline_at"),
    _at("expires_at"),
    _text("fallback_channel", nullable=True),
    _text("fallback_target", nullable=True),
    _at("finished_at"),
    _text("done_by", nullable=True),
    _text("outcome", nullable=True),
    _text("done_channel", nullable=True),
    _text("note", nullable=True),
    _text("parked_reason", nullable=True),  # its fallback failed: left alone until nurture starts anew
    sa.Column("payload", BYTEA, nullable=False),
    sa.ForeignKeyConstraint(["enrolment_id"], [enrolments.c.id], name="tasks_enrolment"),
    sa.UniqueConstraint("enrolment_id", "step", name="tasks_once"),
    sa.CheckConstraint(one_of("state", get_args(TaskState)), name="tasks_state"),
    sa.CheckConstraint("(state = 'open') = (finished_at IS NULL)", name="tasks_finished"),
    sa.CheckConstraint("(state = 'done') = (done_by IS NOT NULL)", name="tasks_done"),
    sa.CheckConstraint(one_of("outcome", get_args(Touch)), name="tasks_outcome"),
    sa.CheckConstraint("(fallback_channel IS NULL) = (fallback_target IS NULL)", name="tasks_fallback"),
    sa.Index(
        "tasks_expiring",
        "expires_at",
        postgresql_where=sa.text("state = 'open' AND expires_at IS NOT NULL AND parked_reason IS NULL"),
    ),
    sa.Index("tasks_put_aside", "id", postgresql_where=sa.text("state = 'open' AND parked_reason IS NOT NULL")),
    sa.Index("tasks_newest", "created_at", "id"),
    sa.Index("tasks_open", "created_at", "id", postgresql_where=sa.text("state = 'open'")),
    sa.Index("tasks_expired", "created_at", "id", postgresql_where=sa.text("state = 'expired'")),
)

turns = sa.Table(  # round robin: how many tasks of this step there have been
    "turns",
    metadata,
    _text("workflow", primary_key=True),
    _text("step", primary_key=True),
    sa.Column("taken", sa.BigInteger, nullable=False),
    sa.CheckConstraint("taken > 0", name="turns_taken"),
)

facts = sa.Table(  # rows of the transaction that made them true; gone once Kafka has acknowledged them
    "facts",
    metadata,
    *fact_columns(lane_unless_said="live"),
    sa.CheckConstraint(one_of("lane", LANES), name="facts_lane"),
)

seen_updates = sa.Table(
    "seen_updates",
    metadata,
    _id(primary_key=True),
    sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    sa.Index("seen_updates_age", "seen_at", postgresql_using="brin"),
)

erased = sa.Table(  # contacts of whom nothing may come back: an update may have been on its way
    "erased",
    metadata,
    _id("contact_id", primary_key=True),
    _at("at", nullable=False),
)

contacts = sa.Table(  # whoever something that matters happened to: the row is the lock
    "contacts",
    metadata,
    _id(primary_key=True),
    sa.Column("merged_into", UUID(as_uuid=True)),
    sa.CheckConstraint("merged_into <> id", name="contacts_apart"),
)

recent_events = sa.Table(  # what may end or advance an enrolment whose trigger is yet to arrive
    "recent_events",
    metadata,
    _id(primary_key=True),
    _id("contact_id"),
    _text("type"),
    _at("happened_at", nullable=False),
    sa.Column("event", BYTEA, nullable=False),
    sa.Index("recent_events_contact", "contact_id", "type", "happened_at"),
    sa.Index("recent_events_age", "happened_at"),
)

refusals = sa.Table(  # leads that no workflow enrolled
    "refusals",
    metadata,
    _id(primary_key=True),  # of the enrolment that it would have been
    _id("event_id"),
    _id("contact_id"),
    _text("workflow"),
    _text("reason"),
    _at("happened_at", nullable=False),
    sa.Column("refused_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    sa.Column("told", sa.Boolean, nullable=False),  # somebody was told all the same
    sa.CheckConstraint(one_of("reason", get_args(Reason)), name="refusals_reason"),
    sa.Index("refusals_contact", "contact_id", "workflow"),
    sa.Index("refusals_newest", "refused_at", "id"),
)

consents = sa.Table(  # the last word of each matter
    "consents",
    metadata,
    _text("subject", primary_key=True),  # an address, or `contact:` and the id of a contact as a whole
    _text("channel", primary_key=True),
    _text("purpose", primary_key=True),  # empty: the general one
    sa.Column("given", sa.Boolean, nullable=False),
    _at("said_at", nullable=False),
)

mail_counts = sa.Table(  # mails that public events caused, by day (UTC)
    "mail_counts",
    metadata,
    sa.Column("day", sa.Date, primary_key=True),
    _text("kind", primary_key=True),
    _text("name", primary_key=True),
    sa.Column("sent", sa.Integer, nullable=False),
    sa.CheckConstraint(one_of("kind", get_args(Kind)), name="mail_counts_kind"),
    sa.CheckConstraint("sent >= 0", name="mail_counts_sent"),
)

endpoint_state = sa.Table(  # no row: never anything special
    "endpoint_state",
    metadata,
    _text("name", primary_key=True),
    _at("disabled_at"),
    _text("disabled_because", nullable=True),
    _at("slowed_until"),
    _at("failing_since"),  # the last attempt did not reach it, or it refused us
    _text("failing_because", nullable=True),
    sa.CheckConstraint("(disabled_at IS NULL) = (disabled_because IS NULL)", name="endpoint_state_disabled"),
    sa.CheckConstraint("(failing_since IS NULL) = (failing_because IS NULL)", name="endpoint_state_failing"),
)
