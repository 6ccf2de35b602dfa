"""To which address a follow-up goes, and whether its reader may be told what is stored."""

from dataclasses import dataclass

from services.nurture.domain.context import Happening
from shared.events.updates import ContactView


@dataclass(frozen=True, slots=True)
class Recipient:
    """`named`: the event that started the enrolment names this address. `proven`: it is known to be the contact's.

    Only a mail to a proven address, because of a trusted event, may hold more than what that event said.
    """

    address: str | None
    named: bool
    proven: bool


def recipient_of(trigger: Happening, contact: ContactView) -> Recipient:
    """The event's own address, where an answer is expected, else the contact's newest."""
    identity = trigger.data.get("identity")
    said = identity.get("email") if isinstance(identity, dict) else None
    named = isinstance(said, str) and bool(said)
    address = said if named else contact.email
    known = contact.proven and address is not None and address == contact.email
    return Recipient(address, named, proven=known or (named and trigger.trust == "trusted"))
