"""Who an event is about, and which contacts it shows to be one person. A plan over what is known; pure.

An identity is strong (an e-mail address, a user id of a trusted source), middling (a phone number) or weak (a device,
whatever a stranger calls a user id). The table in tests/unit/scoring/test_trust.py shows what comes of each.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias
from uuid import UUID

import msgspec

from services.scoring.domain.contact.contact import ContactState
from services.scoring.domain.identity import marks
from shared.events.envelope import Trust
from shared.events.identity import Identity

MOST_KEYS: Final = 100  # of one contact; who has more is no person
MOST_CLAIMED: Final = 10  # of them such as only strangers named
_ORDER: Final = "order:"
_PUBLIC: Final = "#public"  # no source has such a name: what a stranger names meets no key of a trusted sender

Contact: TypeAlias = Callable[[UUID], ContactState]


class Named(NamedTuple):
    """The keys of one event by strength. `visits`: how strangers know the device that a trusted sender names."""

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
        """Those that a contact's state keeps, to compare with others."""
        return (*self.strong, *self.middling)


@dataclass(frozen=True, slots=True)
class Plan:
    """`contact` None: a new one. `absorbed` are joined into it.

    `keys` then point to it, whatever they did before; `held` are known of it from then on.
    """

    contact: UUID | None
    absorbed: tuple[UUID, ...] = ()
    keys: tuple[str, ...] = ()
    held: tuple[str, ...] = ()


def named(identity: Identity, source: str, trust: Trust) -> Named:
    """What the identities are called in the index. A user id and a device only mean something within their source."""
    email = (f"email:{identity.email}",) if identity.email else ()
    phone = (f"phone:{identity.phone}",) if identity.phone else ()
    stranger = f"anonymous:{source}{_PUBLIC}:{identity.anonymous_id}"
    if trust == "public":
        user = (f"user:{source}{_PUBLIC}:{identity.user_id}",) if identity.user_id else ()
        return Named(email, phone, (*user, stranger) if identity.anonymous_id else user)
    user = (f"user:{source}:{identity.user_id}",) if identity.user_id else ()
    order = (f"{_ORDER}{identity.shop or source}:{identity.order}",) if identity.order else ()
    known = Named((*email, *user), phone, order)
    if not identity.anonymous_id:
        return known
    return known._replace(
        weak=(*order, f"anonymous:{source}:{identity.anonymous_id}"), visits=(stranger,) if known.held else ()
    )


def resolve(
    of: Named, known: Mapping[str, UUID], contact: Contact, *, trust: Trust, robot: bool = False, touch: bool = False
) -> Plan:
    """Whom the keys of one event name, where `known` says whose they are.

    `robot`: probably no person did it. `touch`: it only says that somebody of ours got in touch.
    """
    if robot:
        return _of_a_robot(of, known)
    if of.strong and len(ids := {known.get(key) for key in of.keys}) == 1 and None not in ids:
        return Plan(ids.pop(), (), of.keys, of.held)  # most events: everything that is named is one contact's already
    if trust == "public":
        return _of_a_stranger(of, known, contact)
    return _of_a_trusted_sender(of, known, contact, touch=touch)


def buyer(of: Named, known: Mapping[str, UUID]) -> UUID | None:
    """Whose the order is that the event names; None when it names none, or one that nobody has told of."""
    return next((known[key] for key in of.weak if key.startswith(_ORDER) and key in known), None)


def hold(state: ContactState, keys: tuple[str, ...], *, claimed: bool) -> ContactState:
    """The contact with these keys among its own. `claimed`: only a stranger says so. Beyond the bound they are not."""
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
    while len(mine) > MOST_KEYS and claims:  # what is vouched for has room before what is claimed
        del mine[claims.pop(0)]
    return msgspec.structs.replace(state, keys=tuple(mine)[:MOST_KEYS], claimed=tuple(claims))


def vouched(state: ContactState, key: str) -> bool:
    """Whether a trusted sender named the key, or an answer to us proved it."""
    return key in state.keys and key not in state.claimed


def _of_a_trusted_sender(of: Named, known: Mapping[str, UUID], contact: Contact, *, touch: bool) -> Plan:
    """Strong keys join: contacts that share one are one person, and the oldest survives.

    A middling or weak key joins where nothing stronger that is known of both differs: colleagues behind a switchboard
    and a family on one device stay as many as they are. It then points to the newest.
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
    # A strong key of somebody who has too many to be joined stays where it is; the others go to the newest.
    keys = tuple(key for key in of.keys if key not in of.strong or known.get(key) in (None, *joined))
    if not joined:
        return Plan(None, (), keys, of.held)
    foreign = {mark for each in joined for mark in contact(each).foreign}
    if foreign:
        keys = tuple(key for key in keys if marks.mark(key) not in foreign)
        held = tuple(key for key in of.held if marks.mark(key) not in foreign)
        survivor = min(joined, key=lambda each: (contact(each).created, each))
        return Plan(survivor, tuple(each for each in joined if each != survivor), keys, held)
    survivor = min(joined, key=lambda each: (contact(each).created, each))
    return Plan(survivor, tuple(each for each in joined if each != survivor), keys, of.held)


def _of_a_stranger(of: Named, known: Mapping[str, UUID], contact: Contact) -> Plan:
    """The strongest that is named decides, and what was nobody's becomes theirs: nobody is joined, nothing moves.

    A contact that is known by a device alone is somebody's visits: it may join the person that it turns out to be. No
    address is ever added to somebody who is known by less than it: whoever knows a number could get their mails.
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
    """The strongest that is named, and nothing else: it joins nobody and tells us of no other identity."""
    if not of.keys:
        return Plan(None)
    key = of.keys[0]
    found = known.get(key)
    return Plan(found) if found is not None else Plan(None, (), (key,), of.held[:1])


def _hearsay(key: str, state: ContactState) -> bool:
    """Whether only strangers say that the key is this contact's."""
    return _PUBLIC in key if key.startswith("anonymous:") else _kind(key) == "phone" and not vouched(state, key)


def _is_theirs(key: str, state: ContactState, keys: set[str]) -> bool:
    """Whether all that is known of the contact, and stronger than the key, is among these keys."""
    return all(each in keys for each in _stronger(key, state))


def _may_be(key: str, state: ContactState, keys: set[str]) -> bool:
    """Whether the key's contact may be the person with these keys: nothing stronger that is known of both differs."""
    kinds = {_kind(each) for each in keys}
    return all(each in keys or _kind(each) not in kinds for each in _stronger(key, state))


def _are_parted(state: ContactState, others: Iterable[ContactState]) -> bool:
    """Whether a person has said that the contact is somebody else than one of these."""
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
