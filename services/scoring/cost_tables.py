"""The tables of recorded costs (domain/costs.py)."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import UUID


def cost_tables(metadata: sa.MetaData) -> sa.Table:
    """Costs as they were last told, which is what is returned; the share of each lead; whose value is to follow."""
    costs = sa.Table(  # what sources and campaigns cost, as it was last told (domain/costs.py)
        "costs",
        metadata,
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("event_id", UUID, nullable=False),
        sa.Column("source", sa.Text),  # none: of any source; the same for the campaign
        sa.Column("campaign", sa.Text),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("amount", sa.Text, nullable=False),
        sa.Column("currency", sa.Text, nullable=False),
        sa.Column("looked_at", sa.DateTime(timezone=True)),  # none: it has not been spread since it was told
        sa.Column("spread", sa.BigInteger),  # minor units of the base currency; none: it has no rate
        sa.Column("leads", sa.BigInteger, nullable=False, server_default="0"),  # that share it
        sa.CheckConstraint("until > since", name="lasts"),
        sa.CheckConstraint("spread >= 0", name="spread_not_negative"),
    )
    sa.Index("costs_since", costs.c.since, costs.c.key)
    shares = sa.Table(
        "cost_shares",
        metadata,
        sa.Column("cost", sa.Text, primary_key=True),
        sa.Column("contact_id", UUID, primary_key=True),
        sa.Column("amount", sa.BigInteger, nullable=False),  # minor units of the base currency
        sa.CheckConstraint("amount >= 0", name="amount_not_negative"),
    )
    sa.Index("cost_shares_contact", shares.c.contact_id)
    sa.Table(  # whose lead value is to follow its shares
        "cost_due",
        metadata,
        sa.Column("contact_id", UUID, primary_key=True),
    )
    return costs
