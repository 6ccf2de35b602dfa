"""`sources.yaml`: who may send what, with which key, from which pages."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeAlias
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, StringConstraints

from shared import secrets
from shared.config import ConfigModel, read, validate
from shared.errors import ConfigProblem, ConfigurationError

FILE: Final = "sources.yaml"
Kind: TypeAlias = Literal["form", "segment", "api"]
Intake: TypeAlias = Literal["form", "lead", "purchase", "segment", "event"]

# What each kind of source may send. A form's key may be visible in a page, so it never makes a purchase.
ALLOWED: Final[Mapping[Kind, frozenset[Intake]]] = {
    "form": frozenset({"form", "lead"}),
    "segment": frozenset({"segment", "lead"}),
    "api": frozenset({"lead", "purchase", "segment", "event"}),
}


@dataclass(frozen=True, slots=True)
class Source:
    """One source, ready to use. `fields` maps our field name to the name it has in the form."""

    name: str
    kind: Kind
    lane: Literal["live", "bulk"]
    origins: frozenset[str]
    redirect: str | None
    fields: Mapping[Any, str]

    @property
    def path(self) -> str:
        """The CloudEvents source: `/sources/<name>`. Never changes for a source: event ids are derived from it."""
        return f"/sources/{self.name}"

    def may(self, intake: Intake) -> bool:
        """Whether this kind of source may send that."""
        return intake in ALLOWED[self.kind]


@dataclass(frozen=True, slots=True)
class Sources:
    """All sources, found by name or by key."""

    by_name: Mapping[str, Source]
    origins: frozenset[str]
    _by_key: Mapping[bytes, Source] = field(repr=False)

    def by_key(self, key: bytes) -> Source | None:
        """The source that this write key opens. Looked up by its SHA-256, so that time tells nothing about keys."""
        return self._by_key.get(hashlib.sha256(key).digest())


def _reference(text: str) -> str:
    if not secrets.is_reference(text):
        raise ValueError("must be a reference, env:NAME or file:/path, never the key itself")
    return text


def _origin(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.netloc or parts.path or parts.query:
        raise ValueError("must be an origin such as https://example.com, without a path")
    return text.lower()


def _url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise ValueError("must be a URL such as https://example.com/thanks")
    return text


FormField: TypeAlias = Literal[
    "email", "phone", "name", "company", "interest", "message", "user_id", "anonymous_id", "country", "page"
]


class _Source(ConfigModel):
    kind: Kind
    keys: tuple[Annotated[str, AfterValidator(_reference)], ...] = ()
    lane: Literal["live", "bulk"] = "live"
    origins: tuple[Annotated[str, AfterValidator(_origin)], ...] = ()
    redirect: Annotated[str, AfterValidator(_url)] | None = None
    fields: dict[FormField, str] = Field(default_factory=dict)


_Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]


class _File(ConfigModel):
    sources: dict[_Name, _Source]


def load_sources(config: Path, *, environment: Mapping[str, str], state: Path) -> Sources:
    """What `<config>/sources.yaml` says, with the keys. Raises ConfigurationError with every problem."""
    document = read(config / FILE)
    raw = validate(document, _File)
    problems: list[ConfigProblem] = []
    by_key: dict[bytes, Source] = {}
    by_name: dict[str, Source] = {}
    for name, each in raw.sources.items():
        source = Source(name, each.kind, each.lane, frozenset(each.origins), each.redirect, {**each.fields})
        by_name[name] = source
        if each.kind != "form" and not each.keys:
            problems.append(document.problem(("sources", name), "needs a key: `keys: [env:NAME]`"))
        for index, reference in enumerate(each.keys):
            try:
                digest = hashlib.sha256(secrets.resolve(reference, environment, state).encode()).digest()
            except secrets.MissingSecret as error:
                problems.append(document.problem(("sources", name, "keys", index), str(error)))
                continue
            if digest in by_key:
                other = by_key[digest].name
                problems.append(document.problem(("sources", name, "keys", index), f"also opens {other}: one key each"))
            by_key[digest] = source
    if problems:
        raise ConfigurationError(problems)
    return Sources(by_name, frozenset(o for each in by_name.values() for o in each.origins), by_key)


def secret_names(config: Path) -> frozenset[str]:
    """The environment variables that hold write keys: `firsthour setup` makes those that are not set."""
    raw = validate(read(config / FILE), _File)
    references = (reference for each in raw.sources.values() for reference in each.keys)
    return frozenset(each.removeprefix("env:") for each in references if each.startswith("env:"))
