"""The tables of schema `scoring`.

The update of an event is stored until it is published, so that what is republished after a crash is the same, byte for
byte. A contact's state is one document, written once per batch; the columns beside it are searched, sorted and checked.
"""

from typing import Final, get_args

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import BYTEA, JSONB, UUID

from services.scoring.cost_tables import cost_tables
from services.scoring.domain.funnel.places import Sums
from services.scoring.domain.funnel.segments import Cell, CellSums
from services.scoring.model_tables import model_tables
from shared.db.tables.audit import audit_table
from shared.db.tables.checks import one_of
from shared.db.tables.facts import fact_columns
from shared.db.tables.offset_tables import offset_tables
from shared.events.lanes import LANES
from shared.events.stages import Account, Stage
from shared.events.types import ClaimEnd

SCHEMA: Final = "scoring"

metadata = sa.MetaData(schema=SCHEMA)
offset_tables(metadata)
audit_table(metadata)
costs = cost_tables(metadata)
model_tables(metadata)

contacts = sa.Table(
    "contacts",
    metadata,
    sa.Column("id", UUID, primary_key=True),
    sa.Column("version", sa.BigInteger, nullable=False),
    sa.Column("stage", sa.Text, nullable=False),
    sa.Column("lead_value", sa.BigInteger, nullable=False),
    sa.Column("customer_value", sa.BigInteger, nullable=False),
    sa.Column("model", sa.Text, nullable=False),  # the version that both values stand at; any other is due
    sa.Column("open_since", sa.DateTime(timezone=True)),  # the capture of a lead that has not bought since
    sa.Column("touched_at", sa.DateTime(timezone=True)),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("merged_into", UUID),
    sa.Column("said", sa.Text, nullable=False),  # the words that it is found by
    sa.Column("company", sa.Text),  # those of its company, by which it is found without `pii`
    sa.Column("source", sa.Text),  # the short name of the one that brought it
    sa.Column("asked_at", sa.DateTime(timezone=True)),  # when it first asked to be contacted
    sa.Column("campaign", sa.Text),  # the first that was named
    sa.Column("via", sa.Text),  # the first UTM source that was named
    sa.Column("country", sa.Text),
    sa.Column("worth", sa.SmallInteger),  # the step on which it waits in the queue (domain/queue.py)
    sa.Column("curve", sa.Text),  # by which it cools there
    sa.Column("waits_since", sa.DateTime(timezone=True)),  # and since when
    sa.Column("state", BYTEA, nullable=False),
    sa.CheckConstraint("version > 0", name="version_positive"),
    sa.CheckConstraint(one_of("stage", get_args(Stage)), name="stage_known"),
    sa.CheckConstraint(
        "merged_into IS NULL OR (lead_value = 0 AND customer_value = 0 AND merged_into <> id)",
        name="merged_has_no_value",
    ),
    sa.CheckConstraint("(worth IS NULL) = (curve IS NULL)", name="waits_by_a_curve"),
    sa.CheckConstraint("worth IS NULL OR (waits_since IS NOT NULL AND merged_into IS NULL)", name="waits_since_when"),
    # Room in each page for the next version of a row: most updates then touch no index.
    postgresql_with={"fillfactor": "80"},
)
sa.Index(
    "contacts_waiting",
    contacts.c.open_since,
    postgresql_where=sa.text("open_since IS NOT NULL AND merged_into IS NULL"),
)
sa.Index(
    "contacts_queue",
    contacts.c.curve,
    contacts.c.worth,
    contacts.c.waits_since,
    contacts.c.id,
    postgresql_include=["source", "country"],
    postgresql_where=contacts.c.worth.is_not(None),
)
sa.Index(
    "contacts_said",
    sa.func.to_tsvector(sa.text("'simple'::regconfig"), contacts.c.said),
    postgresql_using="gin",
    postgresql_where=contacts.c.merged_into.is_(None),
)
sa.Index(
    "contacts_company",
    sa.func.to_tsvector(sa.text("'simple'::regconfig"), contacts.c.company),
    postgresql_using="gin",
    postgresql_where=sa.text("company IS NOT NULL AND merged_into IS NULL"),
)
sa.Index(
    "contacts_asked",
    contacts.c.asked_at,
    contacts.c.id,
    postgresql_include=["source", "campaign", "via"],
    postgresql_where=sa.text("asked_at IS NOT NULL AND merged_into IS NULL"),
)
sa.Index("contacts_merged", contacts.c.merged_into, postgresql_where=contacts.c.merged_into.is_not(None))
sa.Index("contacts_model", contacts.c.model, contacts.c.id, postgresql_where=contacts.c.merged_into.is_(None))

identities = sa.Table(
    "identities",
    metadata,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("contact_id", UUID, sa.ForeignKey("scoring.contacts.id"), nullable=False),
)
sa.Index("identities_contact", identities.c.contact_id)

events = sa.Table(
    "events",
    metadata,
    sa.Column("id", UUID, primary_key=True),
    sa.Column("contact_id", UUID),  # none: a cost, which is about nobody
    sa.Column("type", sa.Text, nullable=False),
    sa.Column("time", sa.DateTime(timezone=True), nullable=False),
    sa.Column("topic", sa.Text, nullable=False),
    sa.Column("partition", sa.Integer, nullable=False),
    sa.Column("offset", sa.BigInteger, nullable=False),
    sa.Column("body", BYTEA, nullable=False),
    sa.Column("stored_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    # Rows of 2 to 8 KB stay whole: compressing each would cost more than it saves.
    postgresql_with={"toast_tuple_target": "8160"},
)
sa.Index("events_stored", events.c.stored_at)
sa.Index(
    "events_bought",
    events.c.stored_at,
    postgresql_include=["contact_id"],
    postgresql_where=sa.text("type = 'purchase.completed'"),
)
sa.Index("events_referred", events.c.id, postgresql_where=sa.text("type = 'referral.made'"))
sa.Index("events_contact", events.c.contact_id, events.c.time, postgresql_where=events.c.contact_id.is_not(None))

updates = sa.Table(
    "updates",
    metadata,
    sa.Column("topic", sa.Text, primary_key=True),
    sa.Column("partition", sa.Integer, primary_key=True),
    sa.Column("offset", sa.BigInteger, primary_key=True),
    sa.Column("body", BYTEA, nullable=False),
    # A row lives for a batch or two, so its room is to be had again soon. Rows of 2 to 8 KB stay whole, as events do.
    postgresql_with={
        "toast_tuple_target": "8160",
        "autovacuum_vacuum_scale_factor": "0",
        "autovacuum_vacuum_threshold": "5000",
    },
)

orders = sa.Table(
    "orders",
    metadata,
    sa.Column("contact_id", UUID, primary_key=True),
    sa.Column("source", sa.Text, primary_key=True),
    sa.Column("order_id", sa.Text, primary_key=True),
    sa.Column("currency", sa.Text, nullable=False),  # empty while only a refund is known
    sa.Column("paid", sa.BigInteger, nullable=False),  # this and the margin: minor units of the currency
    sa.Column("margin", sa.BigInteger),
    sa.Column("paid_at", sa.DateTime(timezone=True)),
    sa.Column("refunded", JSONB, nullable=False),  # minor units, by the currency in which they went back
    sa.CheckConstraint("currency <> '' OR (paid = 0 AND margin IS NULL)", name="money_has_a_currency"),
)

unconverted = sa.Table(
    "unconverted",
    metadata,
    sa.Column("currency", sa.Text, primary_key=True),
    sa.Column("day", sa.Date, primary_key=True),  # whose rate is missing
    sa.Column("seen", sa.Date, nullable=False),  # the last day on which such an amount came
    sa.Column("orders", sa.BigInteger, nullable=False),
    sa.Column("estimates", sa.BigInteger, nullable=False),
    sa.CheckConstraint("currency ~ '^[A-Z]{3}$'", name="currency_is_a_code"),
)

facts = sa.Table(  # rows of the transaction that made them true; gone once Kafka has acknowledged them
    "facts",
    metadata,
    *fact_columns(),
    sa.CheckConstraint(one_of("lane", LANES), name="lane_known"),
)

sweeps = sa.Table(
    "sweeps",
    metadata,
    sa.Column("day", sa.Date, primary_key=True),
    sa.Column("after", UUID, nullable=False),  # the last contact that it came to
    sa.Column("done", sa.Boolean, nullable=False, server_default=sa.false()),
)

claims = sa.Table(
    "claims",
    metadata,
    sa.Column("id", UUID, primary_key=True),
    sa.Column("contact_id", UUID, nullable=False),
    sa.Column("who", sa.Text, nullable=False),
    sa.Column("since", sa.DateTime(timezone=True), nullable=False),
    sa.Column("until", sa.DateTime(timezone=True), nullable=False),
    sa.Column("ended_at", sa.DateTime(timezone=True)),
    sa.Column("ended", sa.Text),
    sa.Column("snoozed_until", sa.DateTime(timezone=True)),
    sa.Column(
        "told", sa.Boolean, nullable=False, server_default=sa.true()
    ),  # false: `contact.released` is still to come
    sa.CheckConstraint("(ended_at IS NULL) = (ended IS NULL)", name="ended_has_a_reason"),
    sa.CheckConstraint(one_of("ended", get_args(ClaimEnd)), name="ended_known"),
    sa.CheckConstraint("(ended = 'snoozed') = (snoozed_until IS NOT NULL)", name="snoozed_until_when"),
    sa.CheckConstraint("until > since", name="lasts"),
)
sa.Index("claims_one_holder", claims.c.contact_id, unique=True, postgresql_where=claims.c.ended_at.is_(None))
sa.Index("claims_contact", claims.c.contact_id)
sa.Index("claims_until", claims.c.until, postgresql_where=claims.c.ended_at.is_(None))
sa.Index("claims_snoozed", claims.c.snoozed_until, postgresql_where=claims.c.snoozed_until.is_not(None))
sa.Index("claims_untold", claims.c.id, postgresql_where=sa.text("NOT told"))

referrals = sa.Table(  # who named whom, by a key of theirs
    "referrals",
    metadata,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("contact_id", UUID, primary_key=True),
    sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("margin", sa.BigInteger),  # what somebody had brought who is erased, in base minor units
)
sa.Index("referrals_contact", referrals.c.contact_id)

bought = sa.Table(
    "bought",
    metadata,
    sa.Column("contact_id", UUID, primary_key=True),
    sa.Column("item", sa.Text, primary_key=True),  # '': anything at all
)

bought_together = sa.Table(
    "bought_together",
    metadata,
    sa.Column("item", sa.Text, primary_key=True),
    sa.Column("other", sa.Text, primary_key=True),
    sa.Column("buyers", sa.BigInteger, nullable=False),  # of both
    sa.CheckConstraint("buyers >= 0", name="buyers_not_negative"),
)
sa.Index("bought_together_most", bought_together.c.item, bought_together.c.buyers)

merges = sa.Table(  # what was of each contact when it was merged away, so that it can be undone
    "merges",
    metadata,
    sa.Column("loser", UUID, primary_key=True),
    sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("events", sa.ARRAY(UUID), nullable=False),
    sa.Column("keys", sa.ARRAY(sa.Text), nullable=False),
)

erased = sa.Table(  # who was erased, by marks of their keys: an event that was on its way then brings nobody back
    "erased",
    metadata,
    sa.Column("mark", sa.Text, primary_key=True),
    sa.Column("at", sa.DateTime(timezone=True), nullable=False),
)
sa.Index("erased_at", erased.c.at)

response_times = sa.Table(  # answers to leads: sums that each batch adds to
    "response_times",
    metadata,
    sa.Column("day", sa.Date, primary_key=True),
    sa.Column("source", sa.Text, primary_key=True),
    sa.Column("rep", sa.Text, primary_key=True),
    sa.Column("bucket", sa.SmallInteger, primary_key=True),  # of the delay: domain/responses.py
    sa.Column("answers", sa.BigInteger, nullable=False),
    sa.Column("lost", sa.BigInteger, nullable=False),  # minor units of the base currency
    sa.Column("squares", sa.Double, nullable=False),
)

funnel = sa.Table(  # how far contacts have come (domain/funnel/places.py): sums that each transaction adds to
    "funnel",
    metadata,
    sa.Column("dimension", sa.Text, primary_key=True),  # 'source' or 'campaign'
    sa.Column("week", sa.Date, primary_key=True),  # the Monday of that in which they were first seen
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("stage", sa.Text, primary_key=True),  # the furthest that they reached
    sa.Column("advocate", sa.Boolean, primary_key=True),
    *(sa.Column(name, sa.BigInteger, nullable=False) for name in Sums._fields),
    # Every batch changes a few of these rows: with room on the page and no other index each change costs little.
    postgresql_with={"fillfactor": "50"},
)

funnel_steps = sa.Table(
    "funnel_steps",
    metadata,
    sa.Column("week", sa.Date, primary_key=True),
    sa.Column("source", sa.Text, primary_key=True),
    sa.Column("stage", sa.Text, primary_key=True),  # that they came to
    sa.Column("bucket", sa.SmallInteger, primary_key=True),  # of the time from the stage before
    sa.Column("contacts", sa.BigInteger, nullable=False),
    postgresql_with={"fillfactor": "50"},
)

segments = sa.Table(  # how many contacts there are of each kind (domain/funnel/segments.py): sums, as those above
    "segments",
    metadata,
    *(sa.Column(name, sa.Text, primary_key=True) for name in Cell._fields),  # empty: none
    *(sa.Column(name, sa.BigInteger, nullable=False) for name in CellSums._fields),
    postgresql_with={"fillfactor": "50"},
)

changes = sa.Table(  # what a page that watches has to look at again; kept for an hour
    "changes",
    metadata,
    sa.Column("transaction", sa.BigInteger, primary_key=True, autoincrement=False),  # its order: see store/changes.py
    sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("contacts", sa.ARRAY(UUID)),  # none: more than are listed
    sa.Column("queue", sa.Boolean, nullable=False),  # whether somebody came into it, left it or moved in it
)
sa.Index("changes_queue", changes.c.transaction, postgresql_where=changes.c.queue)
sa.Index("changes_at", changes.c.at)

bookings = sa.Table(
    "bookings",
    metadata,
    sa.Column("contact_id", UUID, primary_key=True),
    sa.Column("event_id", UUID, primary_key=True),
    sa.Column("line", sa.SmallInteger, primary_key=True),
    sa.Column("account", sa.Text, nullable=False),
    sa.Column("factor", sa.Text, nullable=False),
    sa.Column("amount", sa.BigInteger, nullable=False),  # minor units of the base currency
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("time", sa.DateTime(timezone=True), nullable=False),
    sa.CheckConstraint(one_of("account", get_args(Account)), name="account_known"),
    sa.CheckConstraint("amount <> 0", name="amount_not_zero"),
)
