"""`endpoints.yaml`: where follow-ups go. Webhook receivers, the mail server, the reps."""

from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parseaddr
from pathlib import Path
from typing import Annotated, Final, Literal, TypeAlias
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from services.nurture.domain.mail.caps import MailCaps
from shared.config import ConfigModel, load
from shared.events.identity import normalise_email
from shared.secrets import is_reference

FILE: Final = "endpoints.yaml"
Tls: TypeAlias = Literal["none", "starttls", "smtps"]

_SCHEMES: Final[dict[str, tuple[Tls, int]]] = {
    "smtp": ("none", 25),
    "smtp+starttls": ("starttls", 587),
    "smtps": ("smtps", 465),
}
_CAPS: Final = MailCaps()
_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Webhook:
    """One receiver. `secrets` are references; each attempt is signed with all of them, the first is the newest.

    `concurrency`: requests at once. `allow_private`: it may be on the own network or this machine.
    """

    name: str
    url: str
    secrets: tuple[str, ...]
    concurrency: int
    allow_private: bool


@dataclass(frozen=True, slots=True)
class MailServer:
    """How mail leaves. `password` is a reference. `sender` is the address alone, `sender_name` what is shown.

    `caps` hold for mails that forms and pages cause.
    """

    host: str
    port: int
    tls: Tls
    user: str | None
    password: str | None
    sender: str
    sender_name: str
    concurrency: int
    caps: MailCaps = _CAPS


@dataclass(frozen=True, slots=True)
class Rep:
    """A person who gets tasks."""

    name: str
    email: str


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Everything that a workflow may send to, by name. `email` is None when no mail server is named."""

    webhooks: Mapping[str, Webhook]
    email: MailServer | None
    reps: Mapping[str, Rep]


def load_endpoints(config: Path) -> Endpoints:
    """What `<config>/endpoints.yaml` says. Raises ConfigurationError with every problem."""
    raw = load(config / FILE, _File)
    return Endpoints(
        webhooks={
            name: Webhook(name, each.url, each.secrets, each.concurrency, each.allow_private)
            for name, each in raw.webhooks.items()
        },
        email=_mail_server(raw.email) if raw.email is not None else None,
        reps={name: Rep(name, each.email) for name, each in raw.reps.items()},
    )


def secret_names(endpoints: Endpoints) -> frozenset[str]:
    """The environment variables that hold webhook secrets: `setup` may make those that are not set.

    A mail server's password is not among them: nobody but its owner can make it.
    """
    references = (reference for each in endpoints.webhooks.values() for reference in each.secrets)
    return frozenset(each.removeprefix("env:") for each in references if each.startswith("env:"))


def _url(text: str) -> str:
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise ValueError(f"not a URL: {error}") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be a URL such as https://example.com/hooks/firsthour")
    if parts.username is not None or parts.password is not None:
        raise ValueError("must not hold a user or password; receivers know us by the signature")
    if parts.fragment:
        raise ValueError("must not have a fragment (#…): it would not be sent")
    if port == 0 or any(character.isspace() or not character.isprintable() for character in text):
        raise ValueError("is not usable as a URL")
    return text


def _reference(text: str) -> str:
    kind, _, name = text.partition(":")
    if not is_reference(text) or not name or (kind == "env" and not name.isidentifier()):
        raise ValueError("must be a reference, env:NAME or file:/path, never the secret itself")
    return text


def _address(text: str) -> str:
    return normalise_email(text)


def _sender(text: str) -> str:
    if any(character in text for character in "\r\n"):
        raise ValueError("must be one line")
    normalise_email(parseaddr(text)[1])
    return text


def _smtp(text: str) -> str:
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise ValueError(f"not a mail server's URL: {error}") from None
    if parts.scheme not in _SCHEMES or not parts.hostname or port == 0:
        raise ValueError("must be smtp://host:port, smtp+starttls://user@host or smtps://user@host")
    if parts.password is not None:
        raise ValueError("must not hold the password; write it as password: env:SMTP_PASSWORD")
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ValueError("must end after the host and port")
    return text


def _mail_server(raw: "_Email") -> MailServer:
    parts = urlsplit(raw.smtp)
    tls, port = _SCHEMES[parts.scheme]
    name, address = parseaddr(raw.sender)
    return MailServer(
        host=parts.hostname or "",
        port=parts.port or port,
        tls=tls,
        user=unquote(parts.username) if parts.username else None,
        password=raw.password,
        sender=normalise_email(address),
        sender_name=name,
        concurrency=raw.concurrency,
        caps=MailCaps(raw.caps.recipient, raw.caps.domain, raw.caps.source),
    )


_Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
_Reference = Annotated[str, AfterValidator(_reference)]


class _Webhook(ConfigModel):
    url: Annotated[str, StringConstraints(max_length=2000), AfterValidator(_url)]
    secrets: tuple[_Reference, ...] = Field(min_length=1, max_length=4)
    concurrency: int = Field(default=8, ge=1, le=256)
    allow_private: bool = False

    @model_validator(mode="after")
    def _encrypted(self) -> "_Webhook":
        if self.url.startswith("http:") and not self.allow_private:
            raise ValueError(
                "http:// sends personal data readable by anyone: use https://, or allow_private: true"
                " for a receiver on the own network"
            )
        return self


class _Caps(ConfigModel):
    """Mails a day that public events may cause."""

    recipient: int = Field(default=_CAPS.recipient, ge=0, le=1_000_000)
    domain: int = Field(default=_CAPS.domain, ge=0, le=1_000_000)
    source: int = Field(default=_CAPS.source, ge=0, le=1_000_000)


class _Email(ConfigModel):
    smtp: Annotated[str, AfterValidator(_smtp)]
    sender: Annotated[str, AfterValidator(_sender)] = Field(alias="from")
    password: _Reference | None = None
    concurrency: int = Field(default=4, ge=1, le=64)
    caps: _Caps = _Caps()

    @model_validator(mode="after")
    def _credentials(self) -> "_Email":
        parts = urlsplit(self.smtp)
        if (self.password is None) != (parts.username is None):
            raise ValueError("a user in `smtp` and a `password` belong together: give both or neither")
        if self.password is not None and parts.scheme == "smtp" and parts.hostname not in _LOOPBACK:
            raise ValueError("the password would go over the network unencrypted: use smtps:// or smtp+starttls://")
        return self


class _Rep(ConfigModel):
    email: Annotated[str, AfterValidator(_address)]


class _File(ConfigModel):
    webhooks: dict[_Name, _Webhook] = Field(default={})
    email: _Email | None = None
    reps: dict[_Name, _Rep] = Field(default={})
