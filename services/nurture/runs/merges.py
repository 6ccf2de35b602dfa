"""Resolves merged contacts: one lock per contact, taken in id order before merges and histories are read.

So a run that begins for B while another process merges B into A is either there when the runs of B are moved, or begins
for A; and two triggers of one contact on two lanes see each other's run.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from services.nurture.domain.entry import after_merge, last_of
from services.nurture.language.versions import Versions
from services.nurture.runs.batch import Arrival, Batch
from services.nurture.store import consents as store_consents
from services.nurture.store import contacts as store_contacts
from services.nurture.store import enrolments as store
from services.nurture.store.batch import Opened


async def settle(
    conn: AsyncConnection,
    arrivals: Sequence[Arrival],
    certain: Collection[UUID],
    batch: Batch,
    versions: Versions,
    opened: Opened,
) -> dict[UUID, UUID]:
    """Do the batch's merges, and lock the runs that it may concern. Returns for each contact whose it is now.

    `certain`: the contacts that may be enrolled or refused, and so have to be locked. The others are only
    looked up: at worst an enrolment misses a newer trait.
    """
    merged, parted = said(arrivals)
    known = opened.merged_into
    concerned = {*certain, *merged, *merged.values()}
    if parted:
        await store_contacts.part(conn, parted)
        known = await store_contacts.merged_into(conn, concerned)
    owner = await _locked(conn, concerned, merged, known, opened.made)
    looked_up = {each.contact_id for each in arrivals} - owner.keys()
    known = await store_contacts.merged_into(conn, looked_up)
    owner |= {each: last_of(each, known | merged) for each in looked_up}
    owner |= {each: each for each in owner.values() if each not in owner}
    losers = {loser: owner[loser] for loser in merged if owner[loser] != loser}
    runs = await store.lock_listening(conn, owner.keys() - opened.made)
    await versions.learn(conn, runs)
    by_owner = defaultdict(list)
    for run in runs:
        by_owner[owner[run.contact_id]].append(run)
    joined = set(losers.values())
    for survivor, theirs in by_owner.items():
        if survivor in joined or any(run.contact_id != survivor for run in theirs):
            for decision in after_merge(theirs, survivor, batch.now):
                batch.take(decision)
        else:
            batch.runs[survivor].update((run.id, run) for run in theirs)
    if losers:
        await store_contacts.merge(conn, losers)
        await store_consents.adopt(conn, losers)
    return owner


def said(arrivals: Sequence[Arrival]) -> tuple[dict[UUID, UUID], set[UUID]]:
    """The merges that these updates tell of and that are not undone by a later one, and who was parted."""
    merged: dict[UUID, UUID] = {}
    parted: set[UUID] = set()
    for each in arrivals:
        merged.update({loser: each.contact_id for loser in each.envelope.data.merged if loser != each.contact_id})
        for other in each.envelope.data.parted:
            parted |= {other, each.contact_id}
            for one, into in ((other, each.contact_id), (each.contact_id, other)):
                if merged.get(one) == into:
                    del merged[one]
    return merged, parted


async def _locked(
    conn: AsyncConnection, contacts: set[UUID], merged: dict[UUID, UUID], known: dict[UUID, UUID], made: set[UUID]
) -> dict[UUID, UUID]:
    """Lock these contacts and those whom they have become, in id order; whose each is, certainly.

    `known`: what they were merged into before. `made` have just been inserted, which is a lock.
    """
    while True:
        # Whom an update names as a survivor lives, whatever was said of it before.
        alive = set(merged.values())
        before = {loser: into for loser, into in known.items() if loser not in alive}
        wanted = {*contacts, *known, *known.values()}
        if await store_contacts.lock(conn, wanted - made) == known:
            return {each: last_of(each, before | merged) for each in wanted}
        known = await store_contacts.merged_into(conn, wanted)  # another process was faster
