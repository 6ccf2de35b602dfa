"""A hosted form, as sources.yaml describes it."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

InputType: TypeAlias = Literal["text", "email", "tel", "url", "textarea", "select", "hidden"]


@dataclass(frozen=True, slots=True)
class Choice:
    """One option of a select."""

    value: str
    label: str


@dataclass(frozen=True, slots=True)
class Input:
    """One field. `value` is what a hidden field sends, or what a visible one starts with."""

    name: str
    label: str
    type: InputType = "text"
    required: bool = False
    hint: str | None = None
    value: str | None = None
    options: tuple[Choice, ...] = ()


@dataclass(frozen=True, slots=True)
class HostedForm:
    """The whole page. `frames`: origins that may show it in an iframe; none named: any may."""

    title: str
    intro: str | None
    button: str
    language: str
    inputs: tuple[Input, ...]
    thanks: str
    frames: tuple[str, ...]
    consent: str | None
    consent_required: bool
    redirect: str | None
