"""What `endpoints.yaml` says of e-mail: the mail server, the sender, and how many mails public events may cause."""

from dataclasses import dataclass
from email.utils import parseaddr
from typing import Annotated, Final, Literal, TypeAlias
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator, Field, model_validator

from services.nurture.channels.channel import Reference
from services.nurture.domain.mail.caps import MailCaps
from shared.config import ConfigModel
from shared.events.identity import normalise_email

Tls: TypeAlias = Literal["none", "starttls", "smtps"]

_SCHEMES: Final[dict[str, tuple[Tls, int]]] = {
    "smtp": ("none", 25),
    "smtp+starttls": ("starttls", 587),
    "smtps": ("smtps", 465),
}
_CAPS: Final = MailCaps()
_LONGEST_LINKS: Final = 500
_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class MailServer:
    """The mail server. `password` is a reference. `sender` is the bare address, `sender_name` the name shown.

    `caps` hold for mails that forms and pages cause. `links`: under which URL the reader of a mail reaches nurture's
    pages; None: there are no links.
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
    links: str | None = None


def mail_server(raw: "EmailModel") -> MailServer:
    """The mail server as the rest of nurture knows it."""
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
        links=raw.links.rstrip("/") if raw.links is not None else None,
    )


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


def _links(text: str) -> str:
    try:
        parts = urlsplit(text)
        host = parts.hostname
    except ValueError as error:
        raise ValueError(f"not a URL: {error}") from None
    if parts.scheme not in ("https", "http") or not host or parts.query or parts.fragment or parts.username:
        raise ValueError("must be the URL under which nurture is reached from outside: https://mail.example.com")
    if parts.scheme == "http" and host not in _LOOPBACK:
        raise ValueError("must begin with https://: whoever reads a link on its way could answer in the reader's name")
    if (
        len(text) > _LONGEST_LINKS
        or not text.isascii()
        or any(character.isspace() or character in '<>"' for character in text)
    ):
        raise ValueError(f"must be plain ASCII of at most {_LONGEST_LINKS} characters")
    return text


class _Caps(ConfigModel):
    """Mails a day that public events may cause."""

    recipient: int = Field(default=_CAPS.recipient, ge=0, le=1_000_000)
    domain: int = Field(default=_CAPS.domain, ge=0, le=1_000_000)
    source: int = Field(default=_CAPS.source, ge=0, le=1_000_000)


class EmailModel(ConfigModel):
    """`email: {smtp: "smtps://me@mail.example.com", password: env:SMTP_PASSWORD, from: "Ada <ada@example.com>"}`."""

    smtp: Annotated[str, AfterValidator(_smtp)]
    sender: Annotated[str, AfterValidator(_sender)] = Field(alias="from")
    password: Reference | None = None
    concurrency: int = Field(default=4, ge=1, le=64)
    caps: _Caps = _Caps()
    links: Annotated[str, AfterValidator(_links)] | None = None

    @model_validator(mode="after")
    def _credentials(self) -> "EmailModel":
        parts = urlsplit(self.smtp)
        if (self.password is None) != (parts.username is None):
            raise ValueError("a user in `smtp` and a `password` belong together: give both or neither")
        if self.password is not None and parts.scheme == "smtp" and parts.hostname not in _LOOPBACK:
            raise ValueError("the password would go over the network unencrypted: use smtps:// or smtp+starttls://")
        return self
