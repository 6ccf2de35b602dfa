"""E-mail to the contact, from templates: one queue for the one mail server; no repeat when no answer came."""

from collections.abc import Collection, Iterable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

from services.nurture.channels.channel import FILE, Channel, Open, Queues, Surroundings
from services.nurture.channels.email.content import FOLDER, from_header, load_templates, template_names
from services.nurture.channels.email.messages import composer
from services.nurture.channels.email.settings import EmailModel, MailServer, mail_server
from services.nurture.channels.email.smtp import Mail
from services.nurture.domain.mail.confirmation import TEMPLATE as CONFIRM
from services.nurture.domain.workflow import EMAIL as NAME
from shared import clock, secrets
from shared.config import Document
from shared.errors import ConfigProblem, ConfigurationError

QUEUE: Final = "email:smtp"  # a webhook's name has no colon
_SECTION: Final = "email"


def _wrong(server: MailServer | None, config: Path, name: str) -> Iterable[str]:
    if name not in template_names(config):
        yield f"no template of this name in {FOLDER}/ (NAME.txt)"
    if server is None:
        yield f"{FILE} names no mail server (email: {{smtp: …, from: …}})"


def _unused(
    server: MailServer | None, config: Path, document: Document, named: Collection[str]
) -> Iterable[ConfigProblem]:
    names = template_names(config)
    problems = [
        ConfigProblem(config / FOLDER / f"{name}.txt", None, "", "no workflow uses it")
        for name in sorted(names - {CONFIRM})
        if name not in named
    ]
    if named and server is not None and server.links is None:
        text = "without `links: https://…` nobody can unsubscribe or confirm an address by a link in a mail"
        problems.append(document.problem((_SECTION,), text))
    elif named and CONFIRM not in names:
        text = "is missing: mails with a purpose to addresses that nobody has proven fail"
        problems.append(ConfigProblem(config / FOLDER / f"{CONFIRM}.txt", None, "", text))
    return problems


def _prepare(server: MailServer | None, surroundings: Surroundings, problems: list[ConfigProblem]) -> Open:
    try:
        templates = load_templates(surroundings.config)
    except ConfigurationError as error:
        problems += error.problems
        templates = {}
    password = _password(server, surroundings, problems) if server is not None else None

    def open_all(closing: AsyncExitStack) -> Queues:
        if server is None:
            return {}
        mail = Mail(
            server, password, composer(templates, surroundings.reps, server, clock.utc_now, surroundings.link_key)
        )
        closing.push_async_callback(mail.aclose)
        return {QUEUE: (server.concurrency, mail.send)}

    return open_all


def _password(server: MailServer, surroundings: Surroundings, problems: list[ConfigProblem]) -> str | None:
    document = surroundings.document
    try:
        from_header(server).encode("utf-8")
    except ValueError:
        problems.append(document.problem((_SECTION, "from"), "cannot be written as the sender of an e-mail"))
    if server.password is None:
        return None
    try:
        return secrets.resolve(server.password, surroundings.environment, surroundings.state, made_by_setup=False)
    except secrets.MissingSecret as error:
        problems.append(document.problem((_SECTION, "password"), str(error)))
        return None


EMAIL: Final = Channel(
    name=NAME,
    section=_SECTION,
    model=EmailModel | None,
    default=None,
    read=lambda raw: mail_server(raw) if raw is not None else None,
    queue=lambda _template: QUEUE,
    queues=lambda server: [QUEUE] if server is not None else [],
    repeats_unknown=False,
    wrong=_wrong,
    unused=_unused,
    prepare=_prepare,
    to_contact=True,
)
