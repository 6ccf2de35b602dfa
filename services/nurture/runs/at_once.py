"""Settles a few updates by one statement: leads of people who are new, and what concerns nobody.

The batch is worked off as if everybody in it were new or waited for nothing, and the statement that writes it asks
whether that is so. Whatever needs more is for the transaction: known people, merges, tasks, a repeated lead of which
somebody is told, an update that cannot be read.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from services.nurture.config import Endpoints
from services.nurture.domain.mail.consent import last_words
from services.nurture.facts import FactMaker
from services.nurture.runs.batch import Arrival, Batch
from services.nurture.runs.changes import endpoints_of
from services.nurture.runs.merges import said
from services.nurture.runs.refusals import of_strangers
from services.nurture.runs.taking import Outcome, Taking, consents
from services.nurture.runs.writing import Written, beginnings
from services.nurture.store import batch as store
from services.nurture.store.contacts import all_kept, anybody_known
from shared.db.statement import Statement
from shared.errors import Permanent


async def by_one_statement(
    conn: AsyncConnection,
    arrivals: Sequence[Arrival],
    batch: Batch,
    taking: Taking,
    outcome: Outcome,
    *,
    endpoints: Endpoints,
    facts: FactMaker,
) -> tuple[Statement, Mapping[str, Any]] | None:
    """The statement, and the `outcome` once it has been run; None where one does not do.

    A contact is new with its first event. Later on it may still be new to us: a visitor whom nobody waited for. That is
    asked before, since a wrong guess costs more.
    """
    merged, parted = said(arrivals)
    if merged or parted:
        return None
    new = taking.certain(arrivals)
    doubtful = new - {each.contact_id for each in arrivals if each.envelope.data.contact.version == 1}
    starters = {each.contact_id for each in arrivals if taking.starts(each.type)}
    if not doubtful <= starters or await anybody_known(conn, doubtful):
        return None
    contacts = {each.contact_id for each in arrivals}
    words = last_words(consents(arrivals, {each: each for each in contacts}))
    if not new and not words:
        return store.nothing_for(contacts)
    marked = taking.marked(arrivals)
    try:
        for each in taking.new(arrivals, marked):
            taking.take(batch, each, each.contact_id, outcome)
    except Permanent:
        return None
    changes, refused = batch.changes, of_strangers(batch)
    if refused is None or not all_kept(batch.heard) or (changes and not changes.only_begin):
        return None
    if changes:
        written = Written(set(changes.enrolled), endpoints_of(changes.rows, endpoints.channels))
        outcome.wrote(changes, written)
    begun = beginnings(changes, facts=facts, now=batch.now)
    whole = store.Whole(marked, new, contacts - new, words, begun, batch.heard, refused)
    return store.at_once(whole, endpoints.channels)
