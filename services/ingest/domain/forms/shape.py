"""Forms as builders nest them in JSON, laid flat: `{"fields": {"email": {"value": "…"}}}` is `fields[email][value]`.

A list of answers, each with its label and its value, is a field for each label; so are answers that are numbered.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeGuard

import msgspec

from services.ingest.domain.forms.names import MOST_FIELDS

_DEEPEST: Final = 6
_MOST_VALUES: Final = 10 * MOST_FIELDS  # of a field that is JSON: nothing is made of more
_LABELS: Final = ("name", "label", "title", "question", "question_text", "key", "field", "slug", "id")
_VALUES: Final = ("value", "answer", "text", "values", "answers", "answers_given")
_NUMBERED: Final = re.compile(r"\[(\d{1,6})\]\[(?:value|answer|text)\]$", re.ASCII)
_STEPS: Final = re.compile(r"[\[\]]+")
_IDS: Final = ("ID", "id", "key", "name", "field", "ref")
_TITLES: Final = ("Title", "title", "Label", "label", "question")
# Formstack writes the parts of a name or an address into one value, each on a line: `first = Ada`.
_PART: Final = re.compile(
    r"(?P<part>prefix|first|middle|initial|last|suffix|address2?|city|state|zip|country) = (?P<said>[^\n]*)"
)
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


def titled(form: Mapping[str, object]) -> Mapping[str, object]:
    """The fields by the titles that the form's structure, sent as JSON beside them, gives to their ids (Wufoo).

    `Field1` is `Name[First]` for `{"Title": "Name", "SubFields": [{"ID": "Field1", "Label": "First"}]}`.
    """
    titles: dict[str, str] = {}
    structures = set[str]()
    for name, value in form.items():
        if isinstance(value, str) and value[:1] in ("{", "[") and value.count(",") < _MOST_VALUES:
            for sent, title in _titles(_meant(value), "", 0):
                if sent in form and sent != name:
                    structures.add(name)
                    titles.setdefault(title, sent)
    if not titles:
        return form
    named = {sent: title for title, sent in titles.items() if title not in form}
    return {named.get(name, name): value for name, value in form.items() if name not in structures}


def _titles(structure: object, above: str, depth: int) -> Iterator[tuple[str, str]]:
    """The id and the title of each field that it describes; the parts of one stand below its title."""
    if depth > _DEEPEST:
        return
    if isinstance(structure, list):
        for each in structure:
            yield from _titles(each, above, depth + 1)
    elif isinstance(structure, dict):
        said = [structure.get(each) for each in _TITLES]
        title = next((each for each in said if isinstance(each, str) and each), "")
        whole = f"{above}[{title}]" if above and title else f"{above}{title}"
        for value in structure.values():
            if isinstance(value, dict | list):
                yield from _titles(value, whole, depth + 1)
        if title:
            yield from ((sent, whole) for each in _IDS if isinstance(sent := structure.get(each), str))


def parted(form: Mapping[str, object]) -> Mapping[str, object]:
    """The fields with each part that is written into one value (`first = Ada`) as a field of its own: `Name[first]`."""
    if not any(map(_has_parts, form.values())):
        return form
    found: dict[str, object] = {}
    for name, value in form.items():
        parts = [_PART.fullmatch(line) for line in value.splitlines()] if _has_parts(value) else []
        if parts and all(parts):
            found |= {f"{name}[{part['part']}]": part["said"] for part in parts if part is not None}
        else:
            found[name] = value
    return found


def _has_parts(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and " = " in value and "\n" in value.strip()


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
            yield from _answers([inner], path, depth + 1) if _is_answer(inner) else _walk(inner, path, depth + 1)
        elif isinstance(inner, list):
            yield from _answers(inner, path, depth + 1)


def _is_answer(inner: Mapping[str, object]) -> bool:
    """Whether it is a label and its value, such as Elfsight's and Elementor's fields, and no object of fields."""
    return "value" in inner and "type" in inner and any(isinstance(inner.get(each), str) for each in _LABELS[:3])


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
