"""What a body becomes is no more than ten times as large as it: what would be is refused before anything is made of it."""

import json
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.domain.fact import Refused
from services.ingest.domain.forms.body import parse_form
from services.ingest.http.body import MOST_VALUES, MOST_VALUES_OF_BATCH, bounded, decode_json
from shared.http.problems import Problem
from tests.unit.ingest.any_json import ANY, CALM

ONE, MANY = 32_768, 512_000
ELEMENTS = ("{}", "[]", '""', "0", "[[]]", '{"":{}}', "null", "1e9", '"ab"', '{"a":1}')


def of(element: str, size: int) -> bytes:
    return f'{{"a":[{",".join([element] * ((size - 9) // (len(element) + 1)))}]}}'.encode()


def times_its_size(run: Callable[[bytes], object], body: bytes) -> float:
    tracemalloc.start()
    try:
        made = run(body)
    except (Problem, Refused):
        made = None
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    del made
    return peak / len(body)


@pytest.mark.parametrize("element", ELEMENTS)
@pytest.mark.parametrize(("size", "most"), [(ONE, MOST_VALUES), (MANY, MOST_VALUES_OF_BATCH)])
def test_json_of_many_values(element: str, size: int, most: int) -> None:
    assert times_its_size(lambda body: decode_json(body, most=most), of(element, size)) < 10
    fullest = of(element, min(size, most * (len(element) + 1) // (1 + element.count("[") + 2 * element.count("{"))))
    assert times_its_size(lambda body: decode_json(body, most=most), fullest.ljust(size)) < 10


@pytest.mark.parametrize("piece", [b"%41", b"%C3%A4", b"%F0%9F%98%80", b"+", b"%", b"%4", b"a"])
@pytest.mark.parametrize("name", [b"a=", b""])
def test_a_form_of_many_escapes(piece: bytes, name: bytes) -> None:
    assert times_its_size(parse_form, name + piece * (50_000 // len(piece))) < 10


@CALM
@given(value=st.lists(ANY, max_size=30))
def test_no_more_values_are_made_than_were_counted(value: Any) -> None:
    body = json.dumps(value).encode()
    with pytest.raises(Problem, match="too many values"):
        bounded(body.ljust(ONE), count(value) - 2)


def count(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + sum(map(count, inner))


def test_a_lead_of_very_many_traits_is_no_problem() -> None:
    traits = {f"trait {number}": "x, y" for number in range(400)}
    assert decode_json(json.dumps({"email": "ada@example.com", "traits": traits}).encode())
