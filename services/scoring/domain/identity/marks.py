"""Marks: hashes of keys by which two contacts are known to be two people, although events name both. Pure."""

import hashlib
from collections.abc import Collection
from typing import Any, Final
from uuid import UUID

import msgspec

from services.scoring.domain.contact.contact import ContactState

_replace: Final = msgspec.structs.replace


def mark(key: str) -> str:
    """The mark of a key: no contact keeps somebody else's key itself."""
    return hashlib.blake2b(key.encode(), digest_size=12).hexdigest()


def mark_of_contact(contact_id: UUID) -> str:
    """The mark of one of our ids."""
    return mark(f"contact:{contact_id}")


def parted(one: ContactState, other: ContactState) -> bool:
    """Whether a key of either is known not to be the other's."""
    return _foreign_to(one, other.keys) or _foreign_to(other, one.keys)


def own(data: Any, foreign: Collection[str]) -> Any:
    """The data of an event without an address or number known to be somebody else's."""
    if not foreign:
        return data
    who = data.identity
    changes: dict[str, None] = {}
    for name in ("email", "phone"):
        value = getattr(who, name)
        if value and mark(f"{name}:{value}") in foreign:
            changes[name] = None
    return _replace(data, identity=_replace(who, **changes)) if changes else data


def _foreign_to(state: ContactState, keys: Collection[str]) -> bool:
    return bool(state.foreign) and any(mark(key) in state.foreign for key in keys)
