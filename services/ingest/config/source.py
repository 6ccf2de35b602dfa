"""A source: what it may send, how often, and who may send as it."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal, TypeAlias

from services.ingest.config.hooks import HOOK_KINDS, HookKind, HookSettings
from services.ingest.domain.forms.hosted import HostedForm
from services.ingest.domain.rate import Rate
from shared import canary
from shared.errors import ConfigProblem
from shared.events.envelope import Trust
from shared.events.lanes import Lane

Kind: TypeAlias = Literal["form", "segment", "api", HookKind]
Intake: TypeAlias = Literal["form", "lead", "purchase", "segment", "event", "hook"]

# What each kind of source may send. Anybody can read a form's key in its page.
ALLOWED: Final[Mapping[str, frozenset[Intake]]] = {
    "form": frozenset({"form", "lead", "segment"}),
    "segment": frozenset({"segment", "lead"}),
    "api": frozenset({"lead", "purchase", "segment", "event"}),
    **dict.fromkeys(HOOK_KINDS, frozenset({"hook"})),
}
# What no public source may send: money, or facts of any kind, in somebody else's name.
_TRUSTED_ONLY: Final[frozenset[Intake]] = frozenset({"purchase", "event"})
# Per public address; enough for an office behind one address.
_PUBLIC_LIMITS: Final = {"address": Rate(10.0, 600), "forms": Rate(20 / 60, 20)}


@dataclass(frozen=True, slots=True)
class SourceLimits:
    """Rate limits: of the source; of one public address; of its leads. None: unlimited."""

    source: Rate | None = None
    address: Rate | None = None
    forms: Rate | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """One source, ready to use. `fields` maps our field name to the name it has in the form.

    `trust`: public when anybody can send as this source, because it takes no key or its key stands in a page;
    `keyless`: this is the source as it is without its key.
    `form`: the hosted form; `consent`: the wording that visitors see; `least_fill_s`: the least seconds that a person
    needs to fill the form in; `hook`: how webhooks of another service are checked.
    `orders_of`: the source of a shop whose orders this one also tells of; an order that both tell of is one.
    `country` (ISO 3166): how phone numbers without their country's code are dialled.
    """

    name: str
    kind: Kind
    trust: Trust
    keyless: bool = False
    lane: Lane = "live"
    country: str | None = None
    orders_of: str | None = None
    origins: frozenset[str] = frozenset()
    redirect: str | None = None
    fields: Mapping[Any, str] = field(default_factory=dict)
    limits: SourceLimits = field(default_factory=SourceLimits)
    form: HostedForm | None = None
    consent: str | None = None
    least_fill_s: float = 2.0
    hook: HookSettings | None = field(default=None, repr=False)
    # What follows from the above, once and not with each request:
    # `path`: the CloudEvents source, `/sources/<name>`. Never changes for a source: event ids are derived from it.
    path: str = field(init=False, repr=False, compare=False)
    # `shop`: the source whose orders it tells of, as a `path`; None: its own.
    shop: str | None = field(init=False, repr=False, compare=False)
    # `public`: whether anybody can send as this source.
    public: bool = field(init=False, repr=False, compare=False)
    _may: frozenset[Intake] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        public = self.trust == "public"
        follows = {
            "path": f"/sources/{self.name}",
            "shop": None if self.orders_of is None else f"/sources/{self.orders_of}",
            "public": public,
            "_may": ALLOWED[self.kind] - (_TRUSTED_ONLY if public else frozenset()),
        }
        for name, value in follows.items():
            object.__setattr__(self, name, value)

    def in_public(self, *, keyless: bool = False) -> "Source":
        """The same source as a public one."""
        if self.public and self.keyless == keyless:
            return self
        return replace(self, trust="public", keyless=keyless, limits=public_limits(self.limits))

    def allows(self, origin: str) -> bool:
        """Whether a page of this origin may post and read the response; without configured origins, any may."""
        return not self.origins or origin.lower() in self.origins

    def may(self, intake: Intake) -> bool:
        """Whether this kind of source may send that."""
        return intake in self._may

    @property
    def frames(self) -> Sequence[str]:
        """The origins that may frame the hosted form; empty: any."""
        return () if self.form is None else self.form.frames or sorted(self.origins)


@dataclass(frozen=True, slots=True)
class Sources:
    """All sources, found by name or by key. `origins`: the pages of any of them; empty: any page."""

    by_name: Mapping[str, Source]
    origins: frozenset[str]
    _by_key: Mapping[bytes, Source] = field(repr=False)
    warnings: Sequence[ConfigProblem] = ()

    def by_key(self, key: bytes) -> Source | None:
        """The source of this write key, looked up by its SHA-256, so that timing reveals nothing about keys."""
        return self._by_key.get(hashlib.sha256(key).digest())

    def with_canary(self, key: bytes) -> "Sources":
        """These and the canary's, which only its key finds, so that no list shows it."""
        own = Source(canary.NAME, "api", "trusted")
        return replace(self, _by_key={**self._by_key, hashlib.sha256(key).digest(): own})


def public_limits(given: SourceLimits) -> SourceLimits:
    """The limits with those that the public has where none are given."""
    address, forms = _PUBLIC_LIMITS["address"], _PUBLIC_LIMITS["forms"]
    return SourceLimits(given.source, given.address or address, given.forms or forms)
