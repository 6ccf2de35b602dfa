"""Whom the keys of an event name: strong keys join, the others only where nothing stronger differs."""

from typing import Any
from uuid import UUID

import pytest

from services.scoring.domain.identity.identity import (
    MOST_CLAIMED,
    MOST_KEYS,
    Named,
    Plan,
    hold,
    named,
    resolve,
    vouched,
)
from shared.events.envelope import Trust
from shared.events.identity import Identity
from tests.unit.scoring.builders import NOW, a_contact, an_id, minutes

ADA, BEA = "email:ada@example.com", "email:bea@example.com"
PHONE, OTHER = "phone:+441632960961", "phone:+441632960962"
USER = "user:/sources/shop:1"
X, Y = "anonymous:/sources/shop:x", "anonymous:/sources/shop:y"
STRANGERS_X, STRANGERS_USER = "anonymous:/sources/web#public:x", "user:/sources/web#public:1"


def of(*keys: str) -> Named:
    found: dict[str, list[str]] = {"strong": [], "middling": [], "weak": [], "visits": []}
    for key in keys:
        strength = {"email": "strong", "phone": "middling", "user": "strong"}.get(key.partition(":")[0], "weak")
        found["weak" if "#public" in key else strength].append(key)
    return Named(**{strength: tuple(some) for strength, some in found.items()})


def resolved(keys: list[str], known: dict[str, list[str]], trust: Trust = "trusted", **about: Any) -> Plan:
    """The plan, where each named contact holds these keys, such as `~key` only by a stranger's word; oldest first."""
    states = {}
    for n, (name, held) in enumerate(known.items()):
        state = a_contact(name, created=NOW + minutes(n))
        for key in held:
            plain = key.lstrip("~")
            if plain in of(plain).held:
                state = hold(state, (plain,), claimed=key != plain)
        states[an_id(name)] = state
    index = {key.lstrip("~"): an_id(name) for name, held in known.items() for key in held}
    return resolve(of(*keys), index, states.__getitem__, trust=trust, **about)


def who(plan: Plan) -> tuple[UUID | None, ...]:
    return (plan.contact, *plan.absorbed)


def ids(*names: str | None) -> tuple[UUID | None, ...]:
    return tuple(None if name is None else an_id(name) for name in names)


@pytest.mark.parametrize(
    ("keys", "known", "expected"),
    [
        ([ADA], {}, (None,)),
        ([X], {}, (None,)),
        ([ADA], {"a": [ADA]}, ("a",)),
        ([ADA, PHONE], {"a": [ADA]}, ("a",)),
        # strong ones join, and the oldest survives
        ([ADA, USER], {"a": [USER], "b": [ADA]}, ("a", "b")),
        ([ADA, USER], {"a": [USER, BEA], "b": [ADA]}, ("a", "b")),
        # a number joins where nothing stronger differs
        ([ADA, PHONE], {"a": [ADA], "b": [PHONE]}, ("a", "b")),
        ([PHONE, ADA], {"a": [PHONE], "b": [ADA]}, ("a", "b")),
        ([ADA, PHONE], {"a": [PHONE]}, ("a",)),
        ([PHONE], {"a": [ADA, PHONE]}, ("a",)),
        ([ADA, PHONE, USER], {"a": [USER], "b": [PHONE], "c": [ADA]}, ("a", "c", "b")),
        ([USER, PHONE], {"a": [ADA, PHONE]}, ("a",)),
        # a switchboard: colleagues stay two
        ([BEA, PHONE], {"a": [ADA, PHONE]}, (None,)),
        ([BEA, PHONE], {"a": [ADA, PHONE], "b": [BEA]}, ("b",)),
        # a device joins where neither an address, nor a user id, nor a number differs
        ([ADA, X], {"a": [X]}, ("a",)),
        ([ADA, X], {"a": [X], "b": [ADA]}, ("a", "b")),
        ([ADA, X], {"a": [BEA, X], "b": [ADA]}, ("b",)),
        ([ADA, X], {"a": [BEA, X]}, (None,)),
        ([X], {"a": [BEA, X]}, ("a",)),
        ([PHONE, X], {"a": [ADA, X], "b": [PHONE, BEA]}, ("b",)),
        ([PHONE, X], {"a": [ADA, OTHER, X]}, (None,)),
        ([PHONE, X], {"a": [ADA, X]}, ("a",)),
        # what only a stranger said of a number or device leads a trusted sender to nobody who is more than that
        ([PHONE], {"a": [ADA, "~" + PHONE]}, (None,)),
        ([USER, PHONE], {"a": ["~" + ADA, "~" + PHONE]}, (None,)),
        ([ADA, PHONE], {"a": [ADA, "~" + PHONE]}, ("a",)),
        ([ADA, PHONE], {"a": ["~" + PHONE]}, ("a",)),
        ([ADA, STRANGERS_X], {"a": [STRANGERS_X]}, ("a",)),
        ([USER, STRANGERS_X], {"a": ["~" + ADA, STRANGERS_X]}, (None,)),
    ],
)
def test_whom_a_trusted_sender_names(keys: list[str], known: dict[str, list[str]], expected: Any) -> None:
    plan = resolved(keys, known)
    assert who(plan) == ids(*expected)
    assert set(plan.keys) == set(keys), "what is named points to the newest"


@pytest.mark.parametrize(
    ("keys", "known", "expected", "moved"),
    [
        ([ADA], {}, (None,), [ADA]),
        ([ADA], {"a": [ADA]}, ("a",), []),
        # what is unknown is added
        ([ADA, PHONE], {"a": [ADA]}, ("a",), [PHONE]),
        ([PHONE, STRANGERS_X], {"a": [PHONE]}, ("a",), [STRANGERS_X]),
        # nobody is joined, nothing moves
        ([ADA, PHONE], {"a": [ADA], "b": [PHONE]}, ("a",), []),
        ([ADA, PHONE], {"a": [BEA, PHONE]}, (None,), [ADA]),
        ([ADA, STRANGERS_USER], {"a": [BEA, STRANGERS_USER]}, (None,), [ADA]),
        # no address is added to somebody who is known by less than it
        ([ADA, PHONE], {"a": [PHONE]}, (None,), [ADA]),
        ([ADA, PHONE], {"a": ["~" + PHONE]}, (None,), [ADA]),
        ([ADA, STRANGERS_X], {"a": [PHONE, STRANGERS_X]}, (None,), [ADA]),
        # a device alone joins the person that it names
        ([ADA, STRANGERS_X], {"x": [STRANGERS_X]}, ("x",), [ADA]),
        ([ADA, STRANGERS_X], {"x": [STRANGERS_X], "a": [ADA]}, ("a", "x"), []),
        ([PHONE, STRANGERS_X, STRANGERS_USER], {"x": [STRANGERS_X], "u": [STRANGERS_USER]}, ("x", "u"), [PHONE]),
        # a person on their device
        ([STRANGERS_X], {"a": [ADA, STRANGERS_X]}, ("a",), []),
        ([PHONE, STRANGERS_X], {"a": [ADA, STRANGERS_X]}, ("a",), [PHONE]),
        ([PHONE, STRANGERS_X], {"a": [ADA, OTHER, STRANGERS_X]}, (None,), [PHONE]),
    ],
)
def test_whom_a_stranger_names(keys: list[str], known: dict[str, list[str]], expected: Any, moved: list[str]) -> None:
    plan = resolved(keys, known, "public")
    assert who(plan) == ids(*expected)
    if known and len(set(expected)) == 1 and expected != (None,) and not moved:
        return  # all of it is theirs already
    assert set(plan.keys) == set(moved)


@pytest.mark.parametrize("trust", ["trusted", "public"])
@pytest.mark.parametrize(
    ("keys", "known", "expected", "moved"),
    [
        ([ADA, PHONE, X], {}, None, [ADA]),
        ([ADA, PHONE, X], {"a": [ADA], "b": [PHONE], "c": [X]}, "a", []),
        ([ADA, PHONE], {"b": [PHONE]}, None, [ADA]),
        ([PHONE, X], {"b": [PHONE]}, "b", []),
        ([X], {"c": [X]}, "c", []),
    ],
)
def test_a_robot_joins_nobody_and_tells_of_nothing_else(
    keys: list[str], known: dict[str, list[str]], expected: str | None, moved: list[str], trust: Trust
) -> None:
    plan = resolved(keys, known, trust, robot=True)
    assert (plan.contact, plan.absorbed) == (expected and an_id(expected), ())
    assert list(plan.keys) == list(plan.held) == moved


def test_a_touch_counts_for_whoever_left_the_number() -> None:
    left = {"a": ["~" + ADA, "~" + PHONE]}
    assert who(resolved([PHONE], left, touch=True)) == ids("a")
    assert who(resolved([BEA, PHONE], left, touch=True)) == ids(None)


def test_of_two_of_one_age_the_smaller_id_survives() -> None:
    two = sorted([UUID(int=7), UUID(int=3)])
    states = {each: a_contact(created=NOW, id=each) for each in two}
    found = resolve(of(ADA, USER), {ADA: two[1], USER: two[0]}, states.__getitem__, trust="trusted")
    assert (found.contact, found.absorbed) == (two[0], (two[1],))


def test_what_a_stranger_calls_a_user_or_a_device_is_no_key_of_a_trusted_sender() -> None:
    identity = Identity(user_id="1", anonymous_id="x", email="ada@example.com", phone="+441632960961")
    trusted, public = (named(identity, "/sources/shop", trust) for trust in ("trusted", "public"))
    assert set(trusted.strong) == {ADA, USER}
    assert public.strong == (ADA,)
    assert trusted.middling == public.middling == (PHONE,)
    assert trusted.weak == (X,)
    assert not {*public.weak} & {USER, X}
    assert trusted.visits == public.weak[1:]
    assert not set(named(identity, "/sources/other", "public").weak) & set(public.weak)
    assert named(Identity(anonymous_id="x"), "/sources/shop", "trusted").visits == ()


def test_a_claimed_key_is_vouched_for_as_soon_as_a_trusted_sender_names_it() -> None:
    state = hold(a_contact(), (ADA, PHONE), claimed=True)
    assert not vouched(state, ADA)
    state = hold(state, (ADA,), claimed=False)
    assert vouched(state, ADA)
    assert not vouched(state, PHONE)
    assert hold(state, (ADA,), claimed=True) == state, "and stays so"


def test_a_contact_holds_so_many_keys_and_strangers_fill_only_a_few_of_them() -> None:
    keys = tuple(f"email:{n}@example.com" for n in range(MOST_KEYS + 20))
    state = hold(a_contact(), keys[:50], claimed=True)
    assert len(state.keys) == len(state.claimed) == MOST_CLAIMED
    state = hold(state, keys[50:], claimed=False)
    assert len(state.keys) == 70 + MOST_CLAIMED
    state = hold(state, tuple(f"phone:{n}" for n in range(50)), claimed=False)
    assert (len(state.keys), state.claimed) == (MOST_KEYS, ())
    assert hold(state, ("phone:x",), claimed=False) == state
    assert hold(state, ("phone:x",), claimed=True) == state
    almost = hold(a_contact(), keys[: MOST_KEYS - 1], claimed=False)
    assert hold(almost, ("phone:x", "phone:y"), claimed=True).claimed == ("phone:x",)


def test_who_has_too_many_keys_is_joined_to_nobody_and_keeps_them() -> None:
    crowd = [f"user:/sources/shop:c{n}" for n in range(MOST_KEYS - 1)]
    plan = resolved([ADA, USER, PHONE], {"a": [ADA, PHONE], "crowd": [USER, *crowd]})
    assert who(plan) == ids("a")
    assert set(plan.keys) == {ADA, PHONE}
