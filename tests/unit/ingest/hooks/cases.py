"""What the tests of form senders share: their recorded bodies, and any JSON at all."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from services.ingest.domain.checks import Wrong
from services.ingest.domain.fact import Refused
from services.ingest.domain.hooks.hook import Hook, Incoming, Reading

FOLDER = Path(__file__).parent
NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)

_PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
ANY_JSON = st.recursive(
    _PLAIN, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5), max_leaves=20
)


def body(sender: str, name: str) -> bytes:
    return (FOLDER / sender / f"{name}.json").read_bytes()


def incoming(content: bytes = b"", **headers: str) -> Incoming:
    """A request as the route would hand it on; headers by keyword, `_` for `-`."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Incoming(named, content, "https://hooks.example.com/hooks/x", NOW)


def read(hook: Hook, content: Any, **options: Any) -> Reading:
    """What the hook reads in bytes of JSON, or in a value."""
    payload = json.loads(content) if isinstance(content, bytes) else content
    return hook.read(incoming(), payload, options)


def wrong_in(hook: Hook, document: Any) -> list[Wrong]:
    """What is refused of a document; nothing else may be raised."""
    try:
        read(hook, document)
    except Refused as refused:
        return refused.wrong or [Wrong("", "refused without a reason")]
    return []


def mangled(original: Any, spoil: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """The documented shape with any part of it being anything: gets further into a reader than any JSON does."""
    whole: st.SearchStrategy[Any]
    if isinstance(original, dict):
        whole = st.fixed_dictionaries({name: mangled(value, spoil) for name, value in original.items()})
    elif isinstance(original, list):
        whole = st.tuples(*(mangled(value, spoil) for value in original)).map(list)
    else:
        whole = st.just(original)
    return st.integers(0, 9).flatmap(lambda dice: spoil if dice == 0 else whole)
