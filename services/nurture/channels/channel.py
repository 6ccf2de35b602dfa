"""What a channel is: one way to reach somebody. Everything specific to one is in its own module."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, TypeAlias

from pydantic import AfterValidator, StringConstraints

from services.nurture.channels.sending import Send
from services.nurture.domain.deliveries.delivery import NewDelivery
from shared.config import Document
from shared.errors import ConfigProblem
from shared.secrets import is_reference

FILE: Final = "endpoints.yaml"


@dataclass(frozen=True, slots=True)
class Rep:
    """A person who gets tasks, and is notified of them by e-mail."""

    name: str
    email: str


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a channel reads before anything can be sent. `document` is the file with its settings.

    `link_key`: the key of the links in mails.
    """

    config: Path
    state: Path
    environment: Mapping[str, str]
    document: Document
    reps: Mapping[str, Rep]
    link_key: bytes = b""


Queues: TypeAlias = Mapping[str, tuple[int, Send]]
"""The concurrency and the `Send` of each endpoint queue."""

Open: TypeAlias = Callable[[AsyncExitStack], Queues]
"""Opens what is needed to send; the stack closes it."""


def nothing_to_open(_settings: Any, _surroundings: Surroundings, _problems: list[ConfigProblem]) -> Open:
    """The `prepare` of a channel that sends nothing by itself."""
    return lambda _closing: {}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Channel:
    """One channel. `settings` below is what `read` makes of its section of `endpoints.yaml`.

    `name`: its key in `send:`, its value in the column `channel`.
    `model`, `default`: the type of its section (pydantic's), and what stands there when it is left out.
    `queue`: the endpoint queue of a delivery to this target.
    `queues`: every queue that these settings make.
    `repeats_unknown`: whether a delivery that may have arrived is sent again: receivers drop copies, people cannot.
    `wrong`: what is wrong with a target of this name; reads names only, no secrets.
    `unused`: warnings about what no workflow names, given what is named.
    `secrets`: references of secrets that `setup` may make.
    `prepare`: reads secrets and files, and adds to the problems whatever keeps it from sending.
    `by_person`: a row for a person to do, with no queue; `to_contact`: it goes to the contact, whose consent counts.
    """

    name: str
    section: str
    model: Any
    default: Any
    read: Callable[[Any], Any]
    queue: Callable[[str], str]
    queues: Callable[[Any], Sequence[str]]
    repeats_unknown: bool
    wrong: Callable[[Any, Path, str], Iterable[str]] = lambda _settings, _config, _name: ()
    unused: Callable[[Any, Path, Document, Collection[str]], Iterable[ConfigProblem]] = (
        lambda _settings, _config, _document, _named: ()
    )
    secrets: Callable[[Any], Iterable[str]] = lambda _settings: ()
    prepare: Callable[[Any, Surroundings, list[ConfigProblem]], Open] = nothing_to_open
    by_person: bool = False
    to_contact: bool = False


Registry: TypeAlias = Mapping[str, Channel]


def registry(*channels: Channel) -> Registry:
    """Channels by name."""
    return {channel.name: channel for channel in channels}


def queue_of(channels: Registry, delivery: NewDelivery) -> str:
    """Its endpoint queue."""
    return channels[delivery.channel].queue(delivery.target)


def _reference(text: str) -> str:
    kind, _, name = text.partition(":")
    if not is_reference(text) or not name or (kind == "env" and not name.isidentifier()):
        raise ValueError("must be a reference, env:NAME or file:/path, never the secret itself")
    return text


Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
Reference = Annotated[str, AfterValidator(_reference)]
