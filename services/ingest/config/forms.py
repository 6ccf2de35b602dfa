"""The settings in sources.yaml of a form that ingest hosts."""

import re
from typing import Annotated, Final, Self, TypeAlias
from urllib.parse import urlsplit

from pydantic import AfterValidator, StringConstraints, model_validator

from services.ingest.domain.forms.hosted import Choice, HostedForm, Input, InputType
from services.ingest.pages.words import words_in
from shared.config import ConfigModel

_FIELD_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,62}")
_LANGUAGE: Final = re.compile(r"[a-z]{2}(-[A-Z]{2})?")
_MOST_INPUTS: Final = 50
_Words: TypeAlias = Annotated[str, StringConstraints(min_length=1, max_length=2000)]


def _origin(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.netloc or parts.path or parts.query:
        raise ValueError("must be an origin such as https://example.com, without a path")
    return text.lower()


Origin: TypeAlias = Annotated[str, AfterValidator(_origin)]


class _Choice(ConfigModel):
    value: _Words
    label: _Words


def _field_name(text: str) -> str:
    if not _FIELD_NAME.fullmatch(text):
        raise ValueError("must be a letter and then letters, digits, _ or -")
    return text


class _Input(ConfigModel):
    name: Annotated[str, AfterValidator(_field_name)]
    label: _Words
    type: InputType = "text"
    required: bool = False
    hint: _Words | None = None
    value: _Words | None = None
    options: tuple[_Words | _Choice, ...] = ()

    @model_validator(mode="after")
    def _choices(self) -> Self:
        if (self.type == "select") != bool(self.options):
            raise ValueError("a select needs options, and nothing else has any")
        return self


def _inputs(inputs: tuple[_Input, ...]) -> tuple[_Input, ...]:
    names = [each.name for each in inputs]
    if not 0 < len(names) <= _MOST_INPUTS:
        raise ValueError(f"must be 1 to {_MOST_INPUTS} fields")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"has {', '.join(twice)} twice")
    return inputs


class RawConsent(ConfigModel):
    """The consent box of a form, and the words beside it."""

    wording: _Words
    required: bool = False


def _language(text: str) -> str:
    if not _LANGUAGE.fullmatch(text):
        raise ValueError("must be a language such as de or de-AT")
    return text


class RawForm(ConfigModel):
    """A hosted form."""

    title: _Words
    intro: _Words | None = None
    button: _Words | None = None
    language: Annotated[str, AfterValidator(_language)] = "en"
    inputs: Annotated[tuple[_Input, ...], AfterValidator(_inputs)]
    thanks: _Words | None = None
    frames: tuple[Origin, ...] = ()

    def hosted(self, consent: RawConsent | None, redirect: str | None) -> HostedForm:
        """The form, ready to be shown."""
        inputs = tuple(
            Input(
                each.name,
                each.label,
                each.type,
                each.required,
                each.hint,
                each.value,
                tuple(
                    Choice(one, one) if isinstance(one, str) else Choice(one.value, one.label) for one in each.options
                ),
            )
            for each in self.inputs
        )
        words = words_in(self.language)
        return HostedForm(
            title=self.title,
            intro=self.intro,
            button=self.button or words["send"],
            language=self.language,
            inputs=inputs,
            thanks=self.thanks or words["soon"],
            frames=self.frames,
            consent=None if consent is None else consent.wording,
            consent_required=consent is not None and consent.required,
            redirect=redirect,
        )
