"""Whom the keys of an event name: strong keys join, the oldest survives, a device alone joins no two people."""

from typing import Any
from uuid import UUID

import pytest

from services.scoring.domain.identity import Plan, resolve
from tests.unit.scoring.builders import NOW, a_contact, an_id, minutes

ADA, BEA, X = "email:ada@example.com", "email:bea@example.com", "anonymous:x"
PHONE = "phone:+441632960961"


def resolved(strong: list[str], weak: list[str], **known: list[str]) -> Plan:
    """The plan, where each named contact holds these keys; the first named is the oldest."""
    states = {
        an_id(name): a_contact(name, created=NOW + minutes(n), keys=tuple(k for k in keys if k != X))
        for n, (name, keys) in enumerate(known.items())
    }
    keys = {key: an_id(name) for name, held in known.items() for key in held}
    return resolve(strong, weak, keys, states.__getitem__)


def plan(contact: str | None, *absorbed: str, keys: list[str]) -> Plan:
    return Plan(an_id(contact) if contact else None, tuple(an_id(each) for each in absorbed), tuple(keys))


@pytest.mark.parametrize(
    ("strong", "weak", "known", "expected"),
    [
        ([ADA], [], {}, (None,)),
        ([], [X], {}, (None,)),
        ([ADA], [], {"a": [ADA]}, ("a",)),
        ([ADA, PHONE], [], {"a": [ADA]}, ("a",)),
        ([ADA, PHONE], [], {"a": [ADA], "b": [PHONE]}, ("a", "b")),
        ([PHONE, ADA], [], {"a": [ADA], "b": [PHONE]}, ("a", "b")),
        ([ADA, PHONE, "user:s:1"], [], {"a": ["user:s:1"], "b": [PHONE], "c": [ADA]}, ("a", "c", "b")),
        ([ADA], [X], {"a": [X]}, ("a",)),
        ([ADA], [X], {"a": [X], "b": [ADA]}, ("a", "b")),
        ([ADA], [X], {"a": [BEA, X], "b": [ADA]}, ("b",)),
        ([ADA], [X], {"a": [ADA], "b": [BEA, X]}, ("a",)),
        ([ADA], [X], {"a": [BEA, X]}, (None,)),
        ([], [X], {"a": [BEA, X]}, ("a",)),
        ([PHONE], [X], {"a": [ADA, X], "b": [PHONE, BEA]}, ("b",)),
    ],
)
def test_whom_an_event_names(strong: list[str], weak: list[str], known: Any, expected: Any) -> None:
    assert resolved(strong, weak, **known) == plan(*expected, keys=[*strong, *weak])


def test_of_two_of_one_age_the_smaller_id_survives() -> None:
    ids = sorted([UUID(int=7), UUID(int=3)])
    states = {each: a_contact(created=NOW, id=each) for each in ids}
    found = resolve([ADA, PHONE], [], {ADA: ids[1], PHONE: ids[0]}, states.__getitem__)
    assert (found.contact, found.absorbed) == (ids[0], (ids[1],))
