"""Forms as builders nest them in JSON, laid flat: `{"fields": {"email": {"value": "…"}}}` is `fields[email][value]`.

A list of answers, each with its label and its value, is a field for each label.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from services.ingest.domain.forms.names import MOST_FIELDS

_DEEPEST: Final = 6
_LABELS: Final = ("name", "label", "title", "question", "key", "field", "id")
_VALUES: Final = ("value", "answer", "text")


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
