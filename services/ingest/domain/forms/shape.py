"""Forms as builders nest them in JSON, laid flat: `{"fields": {"email": {"value": "…"}}}` is `fields[email][value]`.

A list of answers, each with its label and its value, is a field for each label; so are answers that are numbered.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from services.ingest.domain.forms.names import MOST_FIELDS

_DEEPEST: Final = 6
_MOST_VALUES: Final = 10 * MOST_FIELDS  # of a field that is JSON: nothing is made of more
_LABELS: Final = ("name", "label", "title", "question", "question_text", "key", "field", "slug", "id")
_VALUES: Final = ("value", "answer", "text", "values", "answers", "answers_given")
_NUMBERED: Final = re.compile(r"\[(\d{1,6})\]\[(?:value|answer|text)\]$", re.ASCII)
_STEPS: Final = re.compile(r"[\[\]]+")
_JSON: Final = msgspec.json.Decoder()


def flat(form: Mapping[str, object]) -> Mapping[str, object]:
    """The fields without nesting, at most one more than are accepted. Empty values stay as they are."""
    if any(_is_nested(value) for value in form.values()):
        found: dict[str, object] = {}
        for name, value in _walk(form, "", 0):
            found.setdefault(name, value)
            if len(found) > MOST_FIELDS:
                break
        form = found
    return _labelled(form) if any(_NUMBERED.search(name) for name in form) else form


def opened(form: Mapping[str, object]) -> Mapping[str, object]:
    """The fields with those in a field that is JSON: `data.json={"email": …}`, `rawRequest={…}`; flat."""
    inner = {name: _meant(value) if str(value).count(",") < _MOST_VALUES else value for name, value in form.items()}
    whole = [value for name, value in inner.items() if isinstance(value, dict) and not isinstance(form[name], dict)]
    if not whole:
        return form
    rest = {name: form[name] for name, value in inner.items() if not isinstance(value, dict)}
    return flat({name: value for each in (*whole, rest) for name, value in each.items()})


def _labelled(form: Mapping[str, object]) -> Mapping[str, object]:
    """With `fields[2][value]` under what `fields[2][key]` says, where the number alone says nothing."""
    found: dict[str, object] = {}
    labels = set[str]()
    for name, value in form.items():
        numbered = _NUMBERED.search(name)
        label = None
        if numbered is not None:
            above = name[: numbered.start()] + f"[{numbered[1]}]"
            beside = next((at for each in _LABELS if isinstance(form.get(at := f"{above}[{each}]"), str)), None)
            label = None if beside is None else str(form[beside])
            labels |= {beside} if beside else set()
        found.setdefault(label or name, value)
    return {name: value for name, value in found.items() if name not in labels}


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

    A value that is JSON is decoded (`mandrill_events=[…]`, `payload={…}`). Conflicting names are left out.
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
