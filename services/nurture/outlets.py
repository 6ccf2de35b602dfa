"""All that sending reads: endpoints, templates, secrets, a sender that can be written.

`firsthour check` and the start both read by this, so that neither knows a problem that the other does not.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from services.nurture.channels.email.content import Template, from_header, load_templates
from services.nurture.channels.webhook.signature import parse_secret
from services.nurture.config import FILE, Endpoints, MailServer, load_endpoints
from shared import secrets
from shared.config import Document, read
from shared.errors import ConfigProblem, ConfigurationError


@dataclass(frozen=True, slots=True)
class Outlets:
    """The endpoints, with the values behind their references: `keys` sign a webhook's attempts, by its name."""

    endpoints: Endpoints
    keys: Mapping[str, tuple[bytes, ...]]
    password: str | None
    templates: Mapping[str, Template]


def load_outlets(config: Path, *, environment: Mapping[str, str], state: Path) -> Outlets:
    """Everything that sending reads. Raises ConfigurationError with every problem, file and line."""
    problems: list[ConfigProblem] = []
    templates: Mapping[str, Template] = {}
    try:
        templates = load_templates(config)
    except ConfigurationError as error:
        problems += error.problems
    try:
        endpoints = load_endpoints(config)
    except ConfigurationError as error:
        raise ConfigurationError([*error.problems, *problems]) from None
    document = read(config / FILE)
    keys: dict[str, tuple[bytes, ...]] = {}
    for name, webhook in endpoints.webhooks.items():
        found = []
        for index, reference in enumerate(webhook.secrets):
            try:
                found.append(parse_secret(secrets.resolve(reference, environment, state)))
            except (secrets.MissingSecret, ValueError) as error:
                problems.append(document.problem(("webhooks", name, "secrets", index), str(error)))
        keys[name] = tuple(found)
    password: str | None = None
    if endpoints.email is not None:
        password = _password(endpoints.email, document, problems, environment, state)
    if problems:
        raise ConfigurationError(problems)
    return Outlets(endpoints, keys, password, templates)


def _password(
    server: MailServer,
    document: Document,
    problems: list[ConfigProblem],
    environment: Mapping[str, str],
    state: Path,
) -> str | None:
    try:
        from_header(server).encode("utf-8")
    except ValueError:
        problems.append(document.problem(("email", "from"), "cannot be written as the sender of an e-mail"))
    if server.password is None:
        return None
    try:
        return secrets.resolve(server.password, environment, state, made_by_setup=False)
    except secrets.MissingSecret as error:
        problems.append(document.problem(("email", "password"), str(error)))
        return None
