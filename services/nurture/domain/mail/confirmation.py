"""Double opt-in: which mails need a confirmed address, and what the click grants."""

from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from services.nurture.domain.context import Happening
from services.nurture.domain.mail.recipient import Recipient
from services.nurture.domain.workflow import FOLLOW_UP, ConfirmFirst
from shared.events.consent import purpose_of

# Of a mail: it asks for the address to be confirmed; or it needs a confirmed one.
Confirmation: TypeAlias = Literal["asks", "needs"]

TEMPLATE: Final = "confirm"


class Granted(NamedTuple):
    """One consent that waited for the click; `purpose` None is the general one."""

    purpose: str | None
    wording: str | None


def asks_first(rule: ConfirmFirst, purpose: str, recipient: Recipient) -> bool:
    """Whether a mail for this purpose has to wait until the address is confirmed."""
    if recipient.address is None or recipient.proven or rule == "nothing":
        return False
    return rule == "everything" or purpose != FOLLOW_UP


def granted(trigger: Happening, address: str) -> tuple[Granted, ...]:
    """Every consent to e-mail in a public request that named this address: the click makes it the owner's own."""
    identity, consent = trigger.data.get("identity"), trigger.data.get("consent")
    named = isinstance(identity, Mapping) and identity.get("email") == address
    if trigger.trust != "public" or not named or not isinstance(consent, Mapping):
        return ()
    wording = consent.get("wording")
    return tuple(Granted(purpose, wording if isinstance(wording, str) else None) for purpose in _agreed(consent))


def _agreed(consent: Mapping[str, Any]) -> Iterator[str | None]:
    general = consent.get("email")
    if general is True:
        yield None
    purposes = consent.get("purposes")
    for name, given in purposes.items() if isinstance(purposes, Mapping) else ():
        purpose = purpose_of(name) if isinstance(name, str) else None
        if given is True and (purpose is not None or general is None):
            yield purpose
