"""An update is kept until it is published, in a table of its own: each event's body was kept twice, for ever.

Revision ID: 0006
Revises: 0005
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import BYTEA

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

SCHEMA = "scoring"


def upgrade() -> None:
    op.create_table(
        "updates",
        sa.Column("topic", sa.Text, primary_key=True),
        sa.Column("partition", sa.Integer, primary_key=True),
        sa.Column("offset", sa.BigInteger, primary_key=True),
        sa.Column("body", BYTEA, nullable=False),
        schema=SCHEMA,
        postgresql_with={
            "toast_tuple_target": "8160",
            "autovacuum_vacuum_scale_factor": "0",
            "autovacuum_vacuum_threshold": "5000",
        },
    )
    op.execute("""
        INSERT INTO scoring.updates (topic, partition, "offset", body)
        SELECT e.topic, e.partition, e."offset", e."update" FROM scoring.events e
        JOIN scoring.consumer_offsets o ON o.topic = e.topic AND o.partition = e.partition
        WHERE e."offset" >= o.published AND e."update" IS NOT NULL
    """)
    op.drop_column("events", "update", schema=SCHEMA)
    op.drop_index("events_place", "events", schema=SCHEMA)  # nobody looks for an event by its place any more


def downgrade() -> None:
    op.create_index("events_place", "events", ["topic", "partition", "offset"], unique=True, schema=SCHEMA)
    op.add_column("events", sa.Column("update", BYTEA), schema=SCHEMA)
    op.execute("""
        UPDATE scoring.events e SET "update" = u.body FROM scoring.updates u
        WHERE u.topic = e.topic AND u.partition = e.partition AND u."offset" = e."offset"
    """)
    # What has been published is gone: only new rows can be held to it.
    op.execute("""
        ALTER TABLE scoring.events ADD CONSTRAINT an_update_is_about_a_contact
        CHECK ((contact_id IS NULL) = ("update" IS NULL)) NOT VALID
    """)
    op.drop_table("updates", schema=SCHEMA)
