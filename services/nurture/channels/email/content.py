"""E-mail from templates: plain text always, HTML beside it when there is one. Pure but for `load_templates`.

A template is `templates/NAME.txt`, whose first line is `Subject: …`, and optionally `NAME.html`. It sees what the
webhook's `data` holds (`contact`, `lead_value`, `customer_value`, `reasons`, `event`, `window`, …) as plain values;
to an unproven address, or because of a public event, only what that event said (domain/mail/stranger.py).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, formataddr
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

import jinja2
from jinja2.exceptions import SecurityError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from services.nurture.channels.email.settings import MailServer
from services.nurture.domain.deliveries.followup import Written
from services.nurture.domain.mail.links import MailLinks
from services.nurture.domain.mail.stranger import as_known, as_said, may_be_told
from shared.errors import ConfigProblem, ConfigurationError, Permanent

FOLDER: Final = "templates"
LARGEST: Final = 200_000  # characters of one part of a message
_LARGEST_FILE: Final = 200_000  # bytes
_LONGEST_SUBJECT: Final = 200  # characters
_SUBJECT: Final = "Subject:"
_LONGEST_HEADER_LINE: Final = 900  # characters; a mail server takes 998


@dataclass(frozen=True, slots=True)
class Template:
    """One e-mail, ready to be filled in."""

    name: str
    subject: jinja2.Template
    text: jinja2.Template
    html: jinja2.Template | None


def template_names(config: Path) -> frozenset[str]:
    """The names of the templates in `<config>/templates/`."""
    return frozenset(path.stem for path in (config / FOLDER).glob("*.txt"))


def load_templates(config: Path) -> Mapping[str, Template]:
    """Every template by name. Raises ConfigurationError with every problem, file and line."""
    folder = config / FOLDER
    problems = [
        ConfigProblem(file, None, "", f"needs a plain-text part beside it: {file.stem}.txt")
        for file in sorted(folder.glob("*.html"))
        if not file.with_suffix(".txt").exists()
    ]
    texts = _environment(html=False)
    pages = _environment(html=True)
    loaded: dict[str, Template] = {}
    for name in sorted(template_names(config)):
        try:
            file = folder / f"{name}.txt"
            first, _, body = _read(file).partition("\n")
            if not first.startswith(_SUBJECT) or not first.removeprefix(_SUBJECT).strip():
                raise ConfigurationError([ConfigProblem(file, 1, "", "the first line must be `Subject: …`")])
            page = folder / f"{name}.html"
            loaded[name] = Template(
                name,
                subject=_compiled(texts, first.removeprefix(_SUBJECT).strip(), file, 1),
                text=_compiled(texts, body.lstrip("\n"), file, 2 + len(body) - len(body.lstrip("\n"))),
                html=_compiled(pages, _read(page), page, 1) if page.exists() else None,
            )
        except ConfigurationError as error:
            problems += error.problems
    if problems:
        raise ConfigurationError(problems)
    return MappingProxyType(loaded)


def render(
    template: Template,
    payload: Written,
    address: str | None,
    *,
    delivery_id: UUID,
    server: MailServer,
    now: datetime,
    links: MailLinks | None = None,
) -> EmailMessage:
    """The message of one delivery, to `address`. `payload` is the delivery's; `now` becomes the Date header.

    `links` are `links.unsubscribe` and `links.confirm` in templates; with them, mail programs show a button of their
    own for the first (RFC 8058).

    Every attempt of a delivery has the same Message-ID. Raises Permanent when the contact has no address, or the
    template fails on this contact or writes too much.
    """
    content = payload.followup.data
    if not address:
        raise Permanent("the contact has no e-mail address")
    data = as_known(content) if may_be_told(content) else as_said(content)
    data["links"] = {"unsubscribe": links and links.unsubscribe, "confirm": links and links.confirm}
    subject = _one_line(_filled(template, template.subject, data))[:_LONGEST_SUBJECT]
    text = _filled(template, template.text, data)
    message = EmailMessage(SMTP.clone(utf8=not (address + server.sender).isascii()))
    try:
        message["From"] = from_header(server)
        message["To"] = _one_line(address)
        message["Subject"] = subject
        message["Date"] = format_datetime(now)
        message["Message-ID"] = f"<{delivery_id}@{server.sender.rpartition('@')[2]}>"
        message["Auto-Submitted"] = "auto-generated"  # so that no other robot answers (RFC 3834)
        if links is not None:
            message["List-Unsubscribe"] = f"<{links.unsubscribe}>"
            message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
        message.set_content(text, cte="quoted-printable")
        if template.html is not None:
            page = _filled(template, template.html, data)
            message.add_alternative(page, subtype="html", cte="quoted-printable")
        # Otherwise a link longer than a line would be encoded, which no mail program can read.
        message.policy = message.policy.clone(max_line_length=_LONGEST_HEADER_LINE)
    except (ValueError, IndexError):  # what the standard library raises for an unwritable address
        raise Permanent("the address cannot be written into an e-mail") from None
    return message


def from_header(server: MailServer) -> str:
    """The sender as it stands in every message. Raises ValueError when it cannot be written."""
    return formataddr((_one_line(server.sender_name), server.sender))


def _environment(*, html: bool) -> jinja2.Environment:
    # What a contact's event did not bring renders as nothing: a missing company must not cost the message.
    return ImmutableSandboxedEnvironment(
        autoescape=html, undefined=jinja2.ChainableUndefined, keep_trailing_newline=True, finalize=_shown
    )


def _shown(value: Any) -> Any:
    return "" if value is None else value


def _read(file: Path) -> str:
    try:
        raw = file.read_bytes()
        if len(raw) > _LARGEST_FILE:
            raise ConfigurationError([ConfigProblem(file, None, "", "larger than 200 kB")])
        return raw.decode("utf-8").replace("\r\n", "\n")
    except OSError as error:
        raise ConfigurationError([ConfigProblem(file, None, "", error.strerror or "cannot be read")]) from None
    except UnicodeDecodeError:
        raise ConfigurationError([ConfigProblem(file, None, "", "not UTF-8 text")]) from None


def _compiled(environment: jinja2.Environment, source: str, file: Path, first_line: int) -> jinja2.Template:
    try:
        return environment.from_string(source)
    except jinja2.TemplateSyntaxError as error:
        line = first_line + error.lineno - 1
        raise ConfigurationError([ConfigProblem(file, line, "", error.message or "cannot be read")]) from None


def _filled(template: Template, part: jinja2.Template, data: dict[str, Any]) -> str:
    written: list[str] = []
    size = 0
    try:
        for piece in part.generate(data):
            size += len(piece)
            if size > LARGEST:
                raise Permanent(f"the template {template.name} writes more than {LARGEST} characters")
            written.append(piece)
    except (jinja2.TemplateError, SecurityError, TypeError, ValueError, ArithmeticError, LookupError) as error:
        raise Permanent(f"the template {template.name} failed: {type(error).__name__}") from None
    return "".join(written)


def _one_line(text: str) -> str:
    return " ".join(text.split())
