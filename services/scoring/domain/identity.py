"""Who an event is about, and which contacts it shows to be one person. A plan over what is known; pure."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from services.scoring.domain.contact import ContactState


@dataclass(frozen=True, slots=True)
class Plan:
    """`contact` None: a new one. `absorbed` are joined into it. `keys` then point to it, whatever they did before."""

    contact: UUID | None
    absorbed: tuple[UUID, ...]
    keys: tuple[str, ...]


def resolve(
    strong: Sequence[str],
    weak: Sequence[str],
    known: Mapping[str, UUID],
    contact: Callable[[UUID], ContactState],
) -> Plan:
    """Whom the keys of one event name.

    Strong keys join: contacts that share one are one person, and the oldest survives. A weak key (a device) joins a
    contact to the one that is named only where nothing strong that is known of both differs (two people may share a
    device); else it points to the newer of them.
    """
    keys = (*strong, *weak)
    ids = {known.get(key) for key in keys}
    if len(ids) == 1 and None not in ids:  # nine events of ten: everything that is named is one contact's already
        return Plan(known[keys[0]], (), keys)
    named = list(dict.fromkeys(known[key] for key in strong if key in known))
    devices = [known[key] for key in weak if key in known]
    if not named:
        for device in devices:
            if not strong or _may_be(contact(device), strong):
                return Plan(device, (), keys)
        return Plan(None, (), keys)
    theirs = {*strong, *(key for each in named for key in contact(each).keys)}
    joined = dict.fromkeys(named)
    joined |= dict.fromkeys(device for device in devices if _may_be(contact(device), theirs))
    survivor = min(joined, key=lambda each: (contact(each).created, each))
    return Plan(survivor, tuple(each for each in joined if each != survivor), keys)


def _may_be(device: ContactState, keys: Collection[str]) -> bool:
    """Whether a device's contact may be the person with these keys: nothing that is known of both differs.

    Two people who share a device have different addresses, numbers or user ids: they stay two.
    """
    kinds = {_kind(key) for key in keys}
    return all(key in keys or _kind(key) not in kinds for key in device.keys)


def _kind(key: str) -> str:
    """`email`, `phone`, or the source of a user id."""
    kind, _, rest = key.partition(":")
    return rest.partition(":")[0] if kind == "user" else kind
