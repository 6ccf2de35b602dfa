"""Reads the YAML that a business edits, and reports everything wrong with it at once, with file, line and key."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from shared.errors import ConfigProblem, ConfigurationError

M = TypeVar("M", bound=BaseModel)
_LARGEST = 1_000_000  # bytes; a configuration file beyond this is a mistake
# Pydantic's error types in the words of somebody who edits YAML.
_PLAINLY = {
    "extra_forbidden": "unknown key",
    "dict_type": "must hold keys, as in `key: value`",
    "model_type": "must hold keys, as in `key: value`",
}


class _Loader(yaml.SafeLoader):
    """Only `true` and `false` are booleans: `trigger: {on: …}` is a key and `country: NO` is Norway."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML's own way
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:bool"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|false|False)$"), list("tTfF"))


class ConfigModel(BaseModel):
    """The base of every configuration model: unknown keys are refused, values do not change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Document:
    """A YAML file as plain data, with the line of every key."""

    def __init__(self, file: Path, text: str) -> None:
        """Parse `text`. Raises ConfigurationError when it is not YAML, has aliases, or a key twice."""
        self.file = file
        self._lines: dict[tuple[str | int, ...], int] = {}
        try:
            node = yaml.compose(text, Loader=_Loader)
            if node is not None:
                self._walk(node, (), set())
            self.data = yaml.load(text, _Loader) if node is not None else {}  # noqa: S506 - it is a SafeLoader
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark
            problem = error.problem or "not readable as YAML"
            raise ConfigurationError([ConfigProblem(file, mark.line + 1 if mark else None, "", problem)]) from None
        except yaml.YAMLError as error:
            raise ConfigurationError([ConfigProblem(file, None, "", str(error))]) from None

    def _walk(self, node: yaml.Node, path: tuple[str | int, ...], above: set[int]) -> None:
        if id(node) in above:
            raise yaml.MarkedYAMLError(problem="an alias that contains itself", problem_mark=node.start_mark)
        above = above | {id(node)}
        self._lines.setdefault(path, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode):
            seen = set()
            for key, value in node.value:
                if key.value in seen:
                    raise yaml.MarkedYAMLError(problem=f"the key {key.value!r} twice", problem_mark=key.start_mark)
                seen.add(key.value)
                self._lines[(*path, key.value)] = key.start_mark.line + 1
                self._walk(value, (*path, key.value), above)
        elif isinstance(node, yaml.SequenceNode):
            for index, value in enumerate(node.value):
                self._lines[(*path, index)] = value.start_mark.line + 1
                self._walk(value, (*path, index), above)

    def line(self, path: Sequence[str | int]) -> int | None:
        """The line of the key at `path`, else of the nearest one above it."""
        for length in range(len(path), -1, -1):
            found = self._lines.get(tuple(path[:length]))
            if found is not None:
                return found
        return None

    def problem(self, path: Sequence[str | int], text: str) -> ConfigProblem:
        """A problem at `path`, with its line."""
        return ConfigProblem(self.file, self.line(path), ".".join(map(str, path)), text)


def read(file: Path) -> Document:
    """The file as a Document. Raises ConfigurationError when it is missing, too large or not YAML."""
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigurationError([ConfigProblem(file, None, "", error.strerror or "cannot be read")]) from None
    except UnicodeDecodeError:
        raise ConfigurationError([ConfigProblem(file, None, "", "not UTF-8 text")]) from None
    if len(text) > _LARGEST:
        raise ConfigurationError([ConfigProblem(file, None, "", "larger than 1 MB")])
    return Document(file, text)


def validate(document: Document, model: type[M]) -> M:
    """The document as `model`. Raises ConfigurationError with every problem, each with its line."""
    data: Any = document.data if document.data is not None else {}
    try:
        return model.model_validate(data)
    except ValidationError as error:
        problems = []
        for found in error.errors(include_url=False, include_input=False):
            path = [part for part in found["loc"] if not (isinstance(part, str) and part.startswith("function-"))]
            text = _PLAINLY.get(found["type"]) or found["msg"].removeprefix("Value error, ")
            problems.append(document.problem(path, text))
        raise ConfigurationError(problems) from None


def load(file: Path, model: type[M]) -> M:
    """Read and validate one file. Raises ConfigurationError with every problem."""
    return validate(read(file), model)
