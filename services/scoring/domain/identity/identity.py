"""Who an event is about, and which contacts it shows to be one person: a plan. Pure.

An identity is strong (an e-mail address, a user id of a trusted source), middling (a phone number) or weak (a device,
whatever a stranger calls a user id). The table in tests/unit/scoring/test_trust.py shows what comes of each.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple, TypeAlias
from uuid import UUID

import msgspec

from services.scoring.domain.contact.contact import ContactState
from services.scoring.domain.identity import marks
from shared.events.envelope import Trust
from shared.events.identity import Identity

MOST_KEYS: Final = 100  # of one contact; a person has fewer
MOST_CLAIMED: Final = 10  # of them, those that only strangers named
_ORDER: Final = "order:"
_PUBLIC: Final = "#public"  # no source has this name: a stranger's keys never match a trusted sender's

Contact: TypeAlias = Callable[[UUID], ContactState]


class Named(NamedTuple):
    """The keys of one event by strength. `visits`: the public key of the device that a trusted sender names."""

    strong: tuple[str, ...] = ()
    middling: tuple[str, ...] = ()
    weak: tuple[str, ...] = ()
    visits: tuple[str, ...] = ()

    @property
    def keys(self) -> tuple[str, ...]:
        """All of them, the strongest first."""
        return (*self.strong, *self.middling, *self.weak, *self.visits)

    @property
    def held(self) -> tuple[str, ...]:
        """Those kept in a contact's state, to compare with others."""
        return (*self.strong, *self.middling)


class Plan(msgspec.Struct, frozen=True):
    """`contact` None: a new one. `absorbed` are merged into it.

    `keys` then point to it, wherever they did before; its state keeps `held`.
    """

    contact: UUID | None
    absorbed: tuple[UUID, ...] = ()
    keys: tuple[str, ...] = ()
    held: tuple[str, ...] = ()


def named(identity: Identity, source: str, trust: Trust) -> Named:
    """The keys of the identities in the index. A user id or device is only meaningful within its source."""
    email = (f"email:{identity.email}",) if identity.email else ()
    phone = (f"phone:{identity.phone}",) if identity.phone else ()
    stranger = (f"anonymous:{source}{_PUBLIC}:{identity.anonymous_id}",) if identity.anonymous_id else ()
    if trust == "public":
        user = (f"user:{source}{_PUBLIC}:{identity.user_id}",) if identity.user_id else ()
        return Named(email, phone, (*user, *stranger))
    user = (f"user:{source}:{identity.user_id}",) if identity.user_id else ()
    order = (f"{_ORDER}{identity.shop or source}:{identity.order}",) if identity.order else ()
    device = (f"anonymous:{source}:{identity.anonymous_id}",) if identity.anonymous_id else ()
    return Named((*email, *user), phone, (*order, *device), stranger if email or user or phone else ())


def resolve(
    of: Named, known: Mapping[str, UUID], contact: Contact, *, trust: Trust, robot: bool = False, touch: bool = False
) -> Plan:
    """Whom the keys of one event name; `known` says whose they are.

    `robot`: probably no person did it. `touch`: it only says that one of us got in touch.
    """
    if robot:
        return _of_a_robot(of, known)
    if of.strong and (one := known.get(of.strong[0])) is not None:
        keys = of.keys
        if all(known.get(key) == one for key in keys):
            return Plan(one, (), keys, of.held)  # most events: one contact already has every key
    if trust == "public":
        return _of_a_stranger(of, known, contact)
    return _of_a_trusted_sender(of, known, contact, touch=touch)


def buyer(of: Named, known: Mapping[str, UUID]) -> UUID | None:
    """Whose order the event names; None when it names none, or an unknown one."""
    return next((known[key] for key in of.weak if key.startswith(_ORDER) and key in known), None)


def hold(state: ContactState, keys: tuple[str, ...], *, claimed: bool) -> ContactState:
    """The contact with these keys added, up to the bound. `claimed`: only a stranger says so."""
    if claimed:
        new = [key for key in keys if key not in state.keys]
        room = min(MOST_CLAIMED - len(state.claimed), MOST_KEYS - len(state.keys))
        new = new[: max(0, room)]
        if not new:
            return state
        return msgspec.structs.replace(state, keys=(*state.keys, *new), claimed=(*state.claimed, *new))
    vouched = [key for key in keys if key not in state.keys or key in state.claimed]
    if not vouched:
        return state
    mine = dict.fromkeys((*state.keys, *vouched))
    claims = [key for key in state.claimed if key not in vouched]
    while len(mine) > MOST_KEYS and claims:  # keys that are vouched for go before claimed ones
        del mine[claims.pop(0)]
    return msgspec.structs.replace(state, keys=tuple(mine)[:MOST_KEYS], claimed=tuple(claims))


def vouched(state: ContactState, key: str) -> bool:
    """Whether a trusted sender named the key, or an answer to us proved it."""
    return key in state.keys and key not in state.claimed


def _of_a_trusted_sender(of: Named, known: Mapping[str, UUID], contact: Contact, *, touch: bool) -> Plan:
    """Strong keys merge: contacts that share one are one person, and the oldest survives.

    A middling or weak key merges contacts that have no differing stronger key: colleagues behind a switchboard and a
    family on one device stay apart. It then points to the newest.
    """
    joined: dict[UUID, None] = {}
    theirs = set(of.held)
    for key in of.keys:
        found = known.get(key)
        if found is None or found in joined:
            continue
        state = contact(found)
        if joined and (len(theirs.union(state.keys)) > MOST_KEYS or _are_parted(state, map(contact, joined))):
            continue
        if key in of.strong or (_is_theirs(key, state, theirs) if _hearsay(key, state) and not touch
                                else _may_be(key, state, theirs)):  # fmt: skip
            joined[found] = None
            theirs.update(state.keys)
    # A strong key of a contact that has too many keys to be merged stays; the others go to the newest.
    keys = tuple(key for key in of.keys if key not in of.strong or known.get(key) in (None, *joined))
    if not joined:
        return Plan(None, (), keys, of.held)
    held = of.held
    foreign = {mark for each in joined for mark in contact(each).foreign}
    if foreign:
        keys = tuple(key for key in keys if marks.mark(key) not in foreign)
        held = tuple(key for key in held if marks.mark(key) not in foreign)
    survivor = min(joined, key=lambda each: (contact(each).created, each))
    return Plan(survivor, tuple(each for each in joined if each != survivor), keys, held)


def _of_a_stranger(of: Named, known: Mapping[str, UUID], contact: Contact) -> Plan:
    """The strongest key decides, and unknown keys become that contact's: nobody is merged, nothing moves.

    A contact known by a device alone is somebody's visits: it may be merged into the person it turns out to be. No
    address is ever added to a contact known by less: whoever knows a number could get its owner's mails.
    """
    first = known.get(of.held[0]) if of.held else None
    joined = [] if first is None else [first]
    theirs = set(of.held)
    for key in of.weak:
        found = known.get(key)
        if found is None or found in joined:
            continue
        state = contact(found)
        if _are_parted(state, map(contact, joined)):
            continue
        if _is_device(state) or (not joined and not of.strong and _may_be(key, state, theirs)):
            joined.append(found)
    keys = tuple(key for key in of.keys if key not in known)
    return Plan(joined[0] if joined else None, tuple(joined[1:]), keys, of.held)


def _of_a_robot(of: Named, known: Mapping[str, UUID]) -> Plan:
    """The strongest key and nothing else: a robot merges nobody and adds no identity."""
    if not of.keys:
        return Plan(None)
    key = of.keys[0]
    found = known.get(key)
    return Plan(found) if found is not None else Plan(None, (), (key,), of.held[:1])


def _hearsay(key: str, state: ContactState) -> bool:
    """Whether only strangers say that this contact has the key."""
    return _PUBLIC in key if key.startswith("anonymous:") else _kind(key) == "phone" and not vouched(state, key)


def _is_theirs(key: str, state: ContactState, keys: set[str]) -> bool:
    """Whether all of the contact's stronger keys are among these."""
    return all(each in keys for each in _stronger(key, state))


def _may_be(key: str, state: ContactState, keys: set[str]) -> bool:
    """Whether the key's contact may be the person with these keys: no stronger key of both differs."""
    kinds = {_kind(each) for each in keys}
    return all(each in keys or _kind(each) not in kinds for each in _stronger(key, state))


def _are_parted(state: ContactState, others: Iterable[ContactState]) -> bool:
    """Whether somebody has split the contact from one of these."""
    return any(marks.parted(state, each) for each in others)


def _is_device(state: ContactState) -> bool:
    return not state.keys and state.converted is None and state.touched is None


def _stronger(key: str, state: ContactState) -> list[str]:
    """The contact's keys that are stronger than this one."""
    if _kind(key) == "phone":
        return [each for each in state.keys if _kind(each) != "phone"]
    return list(state.keys)


def _kind(key: str) -> str:
    """`email`, `phone`, or the source of a user id or device."""
    kind, _, rest = key.partition(":")
    return kind if kind in ("email", "phone") else rest.partition(":")[0]
