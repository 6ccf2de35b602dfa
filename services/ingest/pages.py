"""The plain pages that a form's visitor may see: the form, thank you, what was wrong. No script, nothing from outside.

What a visitor typed is never written into a page.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from services.ingest.domain.checks import Wrong
from services.ingest.domain.form_names import usual_field
from services.ingest.domain.hosted_form import HostedForm, Input

_PAGES: Final = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "site"),
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

_ENGLISH: Final = {
    "required": "required",
    "thanks": "Thank you",
    "soon": "We have your message and will be in touch shortly.",
    "missing": "Something is missing",
    "go_back": "Please go back and correct this; what you typed is still there.",
}
_WORDS: Final[Mapping[str, Mapping[str, str]]] = {
    "en": _ENGLISH,
    "de": {
        "required": "Pflichtfeld",
        "thanks": "Vielen Dank",
        "soon": "Ihre Nachricht ist da; wir melden uns in Kürze.",
        "missing": "Es fehlt noch etwas",
        "go_back": "Bitte gehen Sie zurück und ändern Sie das; Ihre Eingaben sind noch da.",
    },
    "fr": {
        "required": "obligatoire",
        "thanks": "Merci",
        "soon": "Nous avons reçu votre message et vous répondrons rapidement.",
        "missing": "Il manque quelque chose",
        "go_back": "Revenez en arrière pour corriger ; votre saisie est conservée.",
    },
    "es": {
        "required": "obligatorio",
        "thanks": "Gracias",
        "soon": "Hemos recibido su mensaje y le responderemos en breve.",
        "missing": "Falta algo",
        "go_back": "Vuelva atrás y corríjalo; lo que escribió sigue ahí.",
    },
    "it": {
        "required": "obbligatorio",
        "thanks": "Grazie",
        "soon": "Abbiamo ricevuto il suo messaggio e le risponderemo a breve.",
        "missing": "Manca qualcosa",
        "go_back": "Torni indietro e corregga; quanto ha scritto è ancora lì.",
    },
    "nl": {
        "required": "verplicht",
        "thanks": "Bedankt",
        "soon": "We hebben uw bericht en nemen snel contact op.",
        "missing": "Er ontbreekt iets",
        "go_back": "Ga terug en pas het aan; wat u typte staat er nog.",
    },
    "pt": {
        "required": "obrigatório",
        "thanks": "Obrigado",
        "soon": "Recebemos a sua mensagem e responderemos em breve.",
        "missing": "Falta alguma coisa",
        "go_back": "Volte atrás e corrija; o que escreveu continua lá.",
    },
    "pl": {
        "required": "wymagane",
        "thanks": "Dziękujemy",
        "soon": "Mamy Twoją wiadomość i wkrótce się odezwiemy.",
        "missing": "Czegoś brakuje",
        "go_back": "Wróć i popraw; wpisane dane są nadal w formularzu.",
    },
}


def hosted(form: HostedForm, *, action: str, hidden: Mapping[str, str]) -> bytes:
    """The form as a page of its own. `hidden`: further fields that the visitor does not see."""
    page = _PAGES.get_template("form.html")
    return page.render(
        form=form,
        title=form.title,
        language=form.language,
        words=_words(form),
        action=action,
        hidden=hidden,
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


def thanks(form: HostedForm | None = None) -> bytes:
    """Where a visitor goes when the source names no page of its own."""
    words = _words(form)
    return _message(form, words["thanks"], text=words["soon"] if form is None else form.thanks)


def wrong(problems: Sequence[Wrong], form: HostedForm | None = None) -> bytes:
    """What to correct. The values that were sent are not repeated."""
    return _message(form, _words(form)["missing"], problems=problems)


def _message(form: HostedForm | None, title: str, *, text: str = "", problems: Sequence[Wrong] = ()) -> bytes:
    page = _PAGES.get_template("page.html")
    language = "en" if form is None else form.language
    return page.render(language=language, title=title, text=text, problems=problems, words=_words(form)).encode()


def _words(form: HostedForm | None) -> Mapping[str, str]:
    return _ENGLISH if form is None else _WORDS.get(form.language[:2], _ENGLISH)


def _autocomplete(field: Input) -> str | None:
    return _AUTOCOMPLETE.get(usual_field(field.name) or "")
