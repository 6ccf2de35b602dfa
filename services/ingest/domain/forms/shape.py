"""Forms as builders nest them in JSON, laid flat: `{"fields": {"email": {"value": "…"}}}` is `fields[email][value]`.

A list of answers, each with its label and its value, is a field for each label.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from services.ingest.domain.forms.names import MOST_FIELDS

_DEEPEST: Final = 6
_LABELS: Final = ("name", "label", "title", "question", "key", "field", "id")
_VALUES: Final = ("value", "answer", "text")
_STEPS: Final = re.compile(r"[\[\]]+")
_JSON: Final = msgspec.json.Decoder()


def flat(form: Mapping[str, object]) -> Mapping[str, object]:
    """The fields without nesting, one more than are taken where there are too many. What is empty stays as it is."""
    if not any(_is_nested(value) for value in form.values()):
        return form
    found: dict[str, object] = {}
    for name, value in _walk(form, "", 0):
        found.setdefault(name, value)
        if len(found) > MOST_FIELDS:
            break
    return found


def _is_nested(value: object) -> bool:
    return bool(value) and (isinstance(value, dict) or (isinstance(value, list) and isinstance(value[0], dict)))


def _walk(value: Mapping[str, object], above: str, depth: int) -> Iterator[tuple[str, object]]:
    for name, inner in value.items():
        path = f"{above}[{name}]" if above else name
        if not _is_nested(inner) or depth == _DEEPEST:
            yield path, inner
        elif isinstance(inner, dict):
            yield from _walk(inner, path, depth + 1)
        elif isinstance(inner, list):
            yield from _answers(inner, path, depth + 1)


def _answers(answers: list[Any], path: str, depth: int) -> Iterator[tuple[str, object]]:
    for place, answer in enumerate(answers):
        if not isinstance(answer, dict):
            yield f"{path}[{place}]", answer
            continue
        label = next((answer[each] for each in _LABELS if isinstance(answer.get(each), str) and answer[each]), None)
        said = next((each for each in _VALUES if each in answer), None)
        if label is not None and said is not None:
            yield from _walk({label: answer[said]}, "", depth)
        else:
            yield from _walk(answer, f"{path}[{place}]", depth)


def unflat(fields: Mapping[str, object]) -> dict[str, Any]:
    """The object that a form's names stand for: `data[merges][FNAME]` is in `merges` in `data`.

    A value that is JSON is what it says (`mandrill_events=[…]`, `payload={…}`). What would stand in two places at once
    is left out.
    """
    found: dict[str, Any] = {}
    for name, value in fields.items():
        steps = [step for step in _STEPS.split(name) if step][:_DEEPEST] or [name]
        inner = found
        for step in steps[:-1]:
            below = inner.setdefault(step, {})
            if not isinstance(below, dict):
                break
            inner = below
        else:
            if not isinstance(inner.get(steps[-1]), dict):
                inner[steps[-1]] = _meant(value)
    return found


def _meant(value: object) -> object:
    if not isinstance(value, str) or value[:1] not in ("{", "["):
        return value
    try:
        return _JSON.decode(value)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return value
