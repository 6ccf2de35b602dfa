"""The tables of schema `scoring`.

An event is stored with the update that came of it, so that what is published again after a crash is what was published
before, byte for byte. A contact's state is one document, written once for each batch; the columns beside it are what
is searched, sorted and checked.
"""

from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import BYTEA, UUID

from shared.db.offsets import offset_tables

SCHEMA: Final = "scoring"

metadata = sa.MetaData(schema=SCHEMA)
consumer_offsets, dead_letters = offset_tables(metadata)

contacts = sa.Table(
    "contacts",
    metadata,
    sa.Column("id", UUID(as_uuid=True), primary_key=True),
    sa.Column("version", sa.BigInteger, nullable=False),
    sa.Column("state", BYTEA, nullable=False),
    sa.Column("lead_value", sa.BigInteger, nullable=False),
    sa.Column("customer_value", sa.BigInteger, nullable=False),
    sa.Column("stage", sa.Text, nullable=False),
    sa.Column("email", sa.Text),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("waiting_since", sa.DateTime(timezone=True)),  # captured, and no person has been in touch since
    sa.Column("merged_into", UUID(as_uuid=True)),  # always the last survivor, so that one step is enough
    sa.CheckConstraint("version > 0", name="contacts_version"),
    sa.CheckConstraint("stage IN ('visitor', 'lead', 'customer')", name="contacts_stage"),
    sa.CheckConstraint("stage = 'lead' OR lead_value = 0", name="contacts_only_leads_have_lead_value"),
    sa.CheckConstraint("waiting_since IS NULL OR stage = 'lead'", name="contacts_only_leads_wait"),
    sa.CheckConstraint(
        "merged_into IS NULL OR (merged_into <> id AND lead_value = 0 AND customer_value = 0 AND stage = 'visitor')",
        name="contacts_merged_hold_nothing",
    ),
    # Room in each page for the next version of a row: most updates then touch no index.
    postgresql_with={"fillfactor": "80"},
)
sa.Index("contacts_in_order", contacts.c.created_at, contacts.c.id)
sa.Index("contacts_merged", contacts.c.merged_into, postgresql_where=contacts.c.merged_into.is_not(None))
sa.Index("contacts_waiting", contacts.c.waiting_since, postgresql_where=contacts.c.waiting_since.is_not(None))
sa.Index("contacts_waiting_value", contacts.c.lead_value, postgresql_where=contacts.c.waiting_since.is_not(None))

identities = sa.Table(
    "identities",
    metadata,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("contact_id", UUID(as_uuid=True), nullable=False, index=True),
)

events = sa.Table(
    "events",
    metadata,
    sa.Column("id", UUID(as_uuid=True), primary_key=True),
    sa.Column("contact_id", UUID(as_uuid=True)),  # none: a cost, which is about nobody
    sa.Column("type", sa.Text, nullable=False),
    sa.Column("time", sa.DateTime(timezone=True), nullable=False),
    sa.Column("received", sa.DateTime(timezone=True), nullable=False),
    sa.Column("topic", sa.Text, nullable=False),
    sa.Column("partition", sa.Integer, nullable=False),
    sa.Column("offset", sa.BigInteger, nullable=False),
    sa.Column("body", BYTEA, nullable=False),
    sa.Column("update", BYTEA),
    sa.CheckConstraint('(contact_id IS NULL) = ("update" IS NULL)', name="events_update_of_contact"),
)
sa.Index("events_place", events.c.topic, events.c.partition, events.c.offset, unique=True)
sa.Index("events_of_contact", events.c.contact_id, events.c.time, events.c.id)

bookings = sa.Table(
    "bookings",
    metadata,
    sa.Column("contact_id", UUID(as_uuid=True), primary_key=True),
    sa.Column("event_id", UUID(as_uuid=True), primary_key=True),
    sa.Column("line", sa.SmallInteger, primary_key=True, autoincrement=False),
    sa.Column("account", sa.Text, nullable=False),
    sa.Column("factor", sa.Text, nullable=False),
    sa.Column("amount", sa.BigInteger, nullable=False),  # minor units of the base currency
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("time", sa.DateTime(timezone=True), nullable=False),
    sa.CheckConstraint("account IN ('lead', 'customer')", name="bookings_account"),
    sa.CheckConstraint("amount <> 0", name="bookings_amount"),
)
sa.Index("bookings_in_order", bookings.c.contact_id, bookings.c.time, bookings.c.event_id, bookings.c.line)
