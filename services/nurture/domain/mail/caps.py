"""How many mails a day forms and pages may cause: to one recipient, to one domain, by one source.

Otherwise anybody could fill forms with other people's addresses and flood them with mail from our server.
"""

import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, TypeAlias
from uuid import UUID

Kind: TypeAlias = Literal["recipient", "domain", "source"]

# Providers with one mailbox under several names, and what each ignores in the part before the @.
_PROVIDERS: Final = (
    (("gmail.com", "googlemail.com"), "."),
    (("icloud.com", "me.com", "mac.com"), ""),
    (("proton.me", "protonmail.com", "protonmail.ch", "pm.me"), ".-_"),
    (("yandex.ru", "ya.ru", "yandex.com", "yandex.by", "yandex.kz", "yandex.ua"), ".-"),
)
_PROVIDER: Final = {domain: (domains[0], ignored) for domains, ignored in _PROVIDERS for domain in domains}


@dataclass(frozen=True, slots=True)
class MailCaps:
    """Mails a day that public events may cause."""

    recipient: int = 5
    domain: int = 200
    source: int = 2000


class Counted(NamedTuple):
    """What is counted."""

    kind: Kind
    name: str


@dataclass(frozen=True, slots=True)
class PublicMail:
    """A mail that a public event of `source` caused."""

    id: UUID
    address: str
    source: str

    @property
    def counted(self) -> tuple[Counted, ...]:
        """What it counts towards."""
        address = folded(self.address)
        domain = address.rpartition("@")[2]
        return Counted("recipient", address), Counted("domain", domain), Counted("source", self.source)


def folded(address: str) -> str:
    """The mailbox behind an address: `ada+1@` is `ada@`, some providers ignore dots, and letters have several forms."""
    local, _, domain = unicodedata.normalize("NFKC", address).casefold().rpartition("@")
    local = local.partition("+")[0] or local
    name, ignored = _PROVIDER.get(domain, (domain, ""))
    kept = "".join(character for character in local if character not in ignored)
    return f"{kept or local}@{name}"


def admit(
    mails: Sequence[PublicMail], sent: Mapping[Counted, int], caps: MailCaps
) -> tuple[dict[UUID, str], Counter[Counted]]:
    """The mails beyond a cap, each with the reason, and what the others add to today's `sent`."""
    refused: dict[UUID, str] = {}
    added: Counter[Counted] = Counter()
    for mail in mails:
        full = next((each for each in mail.counted if sent.get(each, 0) + added[each] >= _cap(caps, each)), None)
        if full is not None:
            refused[mail.id] = f"no more than {_cap(caps, full)} mails a day to or by one {full.kind} for public events"
        else:
            added.update(mail.counted)
    return refused, added


def _cap(caps: MailCaps, counted: Counted) -> int:
    return int(getattr(caps, counted.kind))
