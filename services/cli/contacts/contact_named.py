"""Finds the contact that a person means, by its id, e-mail address or phone number."""

from typing import TYPE_CHECKING
from uuid import UUID

from shared.errors import FirsthourError

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from services.scoring.store.contacts.reads import StoredContact


class NoSuchContact(FirsthourError):  # noqa: N818 - reads as what happened
    """No contact is known by this."""


async def contact_named(conn: "AsyncConnection", named: str) -> "StoredContact":
    """The contact. Raises NoSuchContact, whose message does not repeat the name."""
    from services.scoring.store.contacts import reads

    found = await reads.by_id(conn, await id_named(conn, named))
    assert found is not None, "it has just been found"
    return found


async def id_named(conn: "AsyncConnection", named: str) -> UUID:
    """The id of the contact, whether or not its state can be read. Raises NoSuchContact as `contact_named` does."""
    from services.scoring.store.contacts import reads
    from shared.events.identity import normalise_email, normalise_phone

    found = None
    try:
        found = await reads.who(conn, UUID(named))
    except ValueError:
        keys = []
        for kind, normalise in (("email", normalise_email), ("phone", normalise_phone)):
            try:
                keys.append(f"{kind}:{normalise(named)}")
            except ValueError:
                continue
        if keys:
            found = await reads.whose(conn, keys)
    if found is None:
        raise NoSuchContact("no contact is known by this id, address or number")
    return found
