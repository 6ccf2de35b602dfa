"""Whether a mail may leave: checked against its recipient's consent in the transaction that begins it.

The same transaction counts mails caused by public events, and asks an address only once for confirmation.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from services.nurture.domain.deliveries.delivery import StoredDelivery
from services.nurture.domain.mail.caps import MailCaps, PublicMail, admit
from services.nurture.domain.mail.consent import Word, about, by_strangers, permits
from services.nurture.domain.mail.links import CONFIRM_WITHIN
from services.nurture.store import confirmations as store_confirmations
from services.nurture.store import consents as store
from services.nurture.store import mail_counts as store_counts

UNWANTED: Final = "the recipient does not want such e-mail"
UNCONFIRMED: Final = "nobody has confirmed that this address is theirs"
ASKED: Final = "the address has been asked to confirm already"


async def refusals(conn: AsyncConnection, givens: Sequence[StoredDelivery], caps: MailCaps) -> dict[UUID, str]:
    """The deliveries that must not be sent, each with the reason; the others count as sent."""
    mails = [given for given in givens if given.recipient is not None]
    if not mails:
        return {}
    refused = await _unwanted(conn, mails)
    refused |= await _unconfirmed(conn, [mail for mail in mails if mail.id not in refused])
    public = [
        PublicMail(mail.id, mail.recipient, mail.public_source)
        for mail in mails
        if mail.id not in refused and mail.recipient is not None and mail.public_source is not None
    ]
    if public:
        sent = await store_counts.lock(conn, {counted for mail in public for counted in mail.counted})
        too_many, added = admit(public, sent, caps)
        await store_counts.add(conn, added)
        refused |= too_many
    return refused


async def _unwanted(conn: AsyncConnection, mails: Sequence[StoredDelivery]) -> dict[UUID, str]:
    subjects = {subject for mail in mails for subject in _subjects(mail)}
    words: dict[str, list[Word]] = defaultdict(list)
    for word in await store.words(conn, subjects, "email"):
        words[word.matter.subject].append(word)
    return {mail.id: UNWANTED for mail in mails if not _wanted(mail, words)}


async def _unconfirmed(conn: AsyncConnection, mails: Sequence[StoredDelivery]) -> dict[UUID, str]:
    """Those to addresses that are not confirmed yet, except one that asks."""
    needing = {mail.id: mail.recipient or "" for mail in mails if mail.confirmation == "needs"}
    asking = {mail.id: mail.recipient or "" for mail in mails if mail.confirmation == "asks"}
    refused: dict[UUID, str] = {}
    if needing:
        confirmed = await store_confirmations.confirmed(conn, set(needing.values()))
        refused |= {each: UNCONFIRMED for each, address in needing.items() if address not in confirmed}
    if asking:
        asked = await store_confirmations.asked(conn, set(asking.values()), but=asking, within=CONFIRM_WITHIN)
        for each, address in asking.items():
            if address in asked:
                refused[each] = ASKED
            asked.add(address)
    return refused


def _subjects(mail: StoredDelivery) -> tuple[str, ...]:
    subjects = mail.recipient or "", about(mail.contact_id)
    return subjects if mail.public_source is None else (*subjects, *map(by_strangers, subjects))


def _wanted(mail: StoredDelivery, words: Mapping[str, Sequence[Word]]) -> bool:
    heard = [word for subject in _subjects(mail) for word in words.get(subject, ())]
    if heard:
        return permits(heard, mail.purpose or "") is not False
    # No word is stored here yet: use the contact's consent from when the mail was made.
    try:
        contact = mail.payload.followup.data.contact
    except msgspec.DecodeError:
        return True  # unreadable: sending it will fail, with that reason
    return contact.consent.get("email") is not False
