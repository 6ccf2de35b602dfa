from pathlib import Path

import pytest

from shared.config import ConfigModel, Document, load, validate
from shared.errors import ConfigurationError


class Source(ConfigModel):
    kind: str
    keys: tuple[str, ...] = ()


class Sources(ConfigModel):
    sources: dict[str, Source]


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        validate(Document(Path("sources.yaml"), text), Sources)
    return [str(problem) for problem in caught.value.problems]


def test_every_problem_is_named_with_file_line_and_key() -> None:
    text = "sources:\n  website:\n    kind: form\n    kees: [x]\n  shop:\n    keys: [1]\n"
    assert problems(text) == [
        "sources.yaml:4: sources.website.kees: unknown key",
        "sources.yaml:5: sources.shop.kind: Field required",
        "sources.yaml:6: sources.shop.keys.0: Input should be a valid string",
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("sources: [", "sources.yaml:1: "),
        ("sources:\n  a: {kind: x}\n  a: {kind: y}\n", "sources.yaml:3: the key 'a' twice"),
        ("a: &x {b: *x}\n", "sources.yaml:1: "),
        ("sources: !!python/object:os.system {}\n", "sources.yaml:1: "),
    ],
)
def test_what_is_not_plain_yaml_is_refused_with_its_line(text: str, problem: str) -> None:
    assert problems(text)[0].startswith(problem)


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="No such file"):
        load(tmp_path / "sources.yaml", Sources)
