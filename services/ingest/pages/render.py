"""The plain pages that a form's visitor may see: form, thanks, errors. No script, nothing from outside."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from services.ingest.domain.checks import Wrong
from services.ingest.domain.forms.hosted import HostedForm, Input
from services.ingest.domain.forms.names import usual_field
from services.ingest.pages.words import words_in

_PAGES: Final = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors {frames}"
_COMMON: Final = ((b"content-type", b"text/html; charset=utf-8"), (b"cache-control", b"no-store"))
HEADERS: Final = (*_COMMON, (b"content-security-policy", _POLICY.format(frames="*").encode()))
_AUTOCOMPLETE: Final = {
    "email": "email", "phone": "tel", "name": "name", "first": "given-name", "last": "family-name",
    "company": "organization", "country": "country-name",
}  # fmt: skip


def hosted(
    form: HostedForm,
    *,
    action: str,
    hidden: Mapping[str, str],
    framed: bool,
    typed: Mapping[str, str] | None = None,
    wrong: Sequence[Wrong] = (),
) -> bytes:
    """The form as a page of its own. `hidden`: further fields that the visitor does not see.

    `framed`: it is shown within another page. `typed` and `wrong`: what was sent before, and what to correct in it.
    """
    names = {each.name for each in form.inputs if each.type != "hidden"}
    problems = {each.at[1:]: each.problem for each in reversed(wrong)}
    page = _PAGES.get_template("form.html")
    return page.render(
        form=form,
        title=form.title,
        language=form.language,
        words=words_in(form.language),
        action=action,
        hidden=hidden,
        framed=framed,
        typed=typed,
        problems={name: _told(form.language, text) for name, text in problems.items() if name in names},
        others={name: text for name, text in problems.items() if name not in names},
        autocomplete=_autocomplete,
    ).encode()


def hosted_headers(form: HostedForm, frames: Sequence[str]) -> dict[str, str]:
    """Headers of the hosted form: what may frame it, and where it may send and be sent on to."""
    policy = _POLICY.format(frames=" ".join(frames) or "*")
    # Browsers hold redirects after a form to `form-action` too.
    onward = "/".join(form.redirect.split("/")[:3]) if form.redirect else ""
    return {
        "cache-control": "no-store",
        "content-security-policy": f"{policy}; form-action 'self' {onward}".rstrip(),
        "referrer-policy": "strict-origin-when-cross-origin",
        "x-content-type-options": "nosniff",
    }


def thanks(form: HostedForm | None, *, language: str, framed: bool) -> bytes:
    """Where a visitor goes when the source names no page of its own."""
    words = words_in(language)
    text = words["soon"] if form is None else form.thanks
    return _message(language, words["thanks"], text=text, framed=framed, good=True)


def wrong(problems: Sequence[Wrong], *, language: str, framed: bool) -> bytes:
    """What to correct in a form of another page. The values that were sent are not repeated."""
    words = words_in(language)
    told = [(each.at.lstrip("/"), _told(language, each.problem)) for each in problems]
    return _message(language, words["wrong"], text=words["go_back"], framed=framed, problems=told)


def busy(*, language: str, framed: bool) -> bytes:
    """The page for an overload or an error of ours: the same may work in a moment."""
    words = words_in(language)
    return _message(language, words["busy"], text=words["later"], framed=framed)


def too_long(*, language: str, framed: bool) -> bytes:
    """The page for more than a form may hold."""
    words = words_in(language)
    return _message(language, words["too_long"], text=words["shorten"], framed=framed)


def closed(*, language: str, framed: bool) -> bytes:
    """The page for a wrong setup, which a visitor cannot change."""
    words = words_in(language)
    return _message(language, words["closed"], text=words["otherwise"], framed=framed)


def _message(
    language: str,
    title: str,
    *,
    text: str,
    framed: bool,
    good: bool = False,
    problems: Sequence[tuple[str, str]] = (),
) -> bytes:
    page = _PAGES.get_template("page.html")
    return page.render(language=language, title=title, text=text, framed=framed, good=good, problems=problems).encode()


def _told(language: str, problem: str) -> str:
    """Problems are named in English; a form in another language says where, in its own."""
    return problem if language.startswith("en") else words_in(language)["check"]


def _autocomplete(field: Input) -> str | None:
    return _AUTOCOMPLETE.get(usual_field(field.name) or "")
