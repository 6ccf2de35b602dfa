"""Who an event is about, and which contacts it shows to be one person. A plan over what is known; pure."""

from collections.abc import Callable, Mapping, Sequence
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
    contact without an address to the one that is named; it never joins two that have different addresses, but
    points to the newer of them.
    """
    named = list(dict.fromkeys(known[key] for key in strong if key in known))
    devices = [known[key] for key in weak if key in known]
    emails = {key.removeprefix("email:") for key in strong if key.startswith("email:")}
    if not named:
        for device in devices:
            if not strong or _may_be(contact(device), emails):
                return Plan(device, (), (*strong, *weak))
        return Plan(None, (), (*strong, *weak))
    oldest = min(named, key=lambda each: (contact(each).created, each))
    addresses = emails | {contact(each).get("email") for each in named} - {None}
    joined = [each for each in named if each != oldest]
    joined += [device for device in devices if device not in named and _may_be(contact(device), addresses)]
    survivor = min((oldest, *joined), key=lambda each: (contact(each).created, each))
    absorbed = tuple(dict.fromkeys(each for each in (oldest, *joined) if each != survivor))
    return Plan(survivor, absorbed, (*strong, *weak))


def _may_be(state: ContactState, emails: set[str]) -> bool:
    """Whether a device's contact may be the person with these addresses: it has none, or the same."""
    email = state.get("email")
    return email is None or email in emails
