"""Any JSON, leaning to what is nearly right; and whether a fact can go on from here."""

import functools
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import jsonschema
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from services.ingest.domain.checks import Wrong
from services.ingest.domain.fact import Fact, Refused
from shared.events.envelope import decode, encode, make_event
from tests.support.onwards import goes_all_the_way

SCHEMAS = Path(__file__).parents[3] / "docs" / "schemas"
CALM = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])  # the machine may be busy
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
TEXTS = st.text(max_size=20) | st.sampled_from(
    [
        "", " ", "\0", "a@example.com", "A@Exämple.com", "x@", "+44 1632 960961", "12.5", "-3", "$19.99", "1e5", "EUR",
        "euro", "2026-01-01T10:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-01-01",
        "https://example.com/?gclid=1&utm_source=%00", "?fbclid=%FF%", "x" * 600, "1.0", "application/json", "e30=",
    ]
)  # fmt: skip
WORDS = st.sampled_from(["a", "Ada Lovelace", "größe", "x" * 300])
TIMES = st.sampled_from(
    ["2026-01-01T10:00:00Z", "0001-01-01T00:00:00+00:00", "9999-12-31T23:59:59Z", "2026-03-01T13:00:00+01:00"]
)
URLS = st.sampled_from(
    ["https://example.com/?gclid=1&utm_source=%00", "https://example.com/a", "?fbclid=%FF%&utm_term=x"]
)
NUMBERS = (
    st.integers(-5, 100)
    | st.sampled_from([10**13, 2**63, -(2**80), 10**400])
    | st.floats(allow_nan=False, allow_infinity=False)
)
ANY = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=6,
)


@st.composite
def having(draw: st.DrawFn, /, **known: st.SearchStrategy[Any]) -> dict[str, Any]:
    """An object with these fields, of which up to two are missing or hold anything, and rarely one of another name."""
    made = {name: draw(values) for name, values in known.items()}
    for name in draw(st.lists(st.sampled_from(sorted(known)), max_size=2)):
        if draw(st.booleans()):
            made.pop(name, None)
        else:
            made[name] = draw(ANY)
    return made | draw(st.just({}) | st.dictionaries(TEXTS, ANY, max_size=1))


def outcome(read: Callable[[], Fact]) -> tuple[Fact | None, list[Wrong]]:
    """The fact, or what is wrong. Whatever else is raised fails the test."""
    try:
        return read(), []
    except Refused as refused:
        return None, refused.wrong


@functools.cache
def _schema(kind: str) -> Any:
    document = json.loads((SCHEMAS / f"{kind}.json").read_text())
    return jsonschema.validators.validator_for(document)(document)


def goes_on(fact: Fact) -> None:
    """The fact as an event can be encoded and decoded, is what its schema says, and is taken by scoring and nurture."""
    time = NOW if fact.time is None else fact.time
    event = make_event(
        id=UUID(int=1), source="/sources/x", type=fact.type, time=time, receivedtime=NOW,
        subject=fact.identity.primary("/sources/x"), data=fact.data, trust="trusted",
    )  # fmt: skip
    value = encode(event)
    decoded = decode(value)
    goes_all_the_way(decoded)
    assert decoded.event.type == fact.type
    assert decoded.data == fact.data
    _schema(fact.type).validate(json.loads(value))
    assert b"\\u0000" not in value
