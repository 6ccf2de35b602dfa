"""Where the demo's follow-ups land: a webhook receiver that verifies, a mailbox, and a page to look at both.

`python -m demo.sinks`. For this machine only; it forgets everything when it stops.
"""

import asyncio
import base64
import binascii
import hmac
import os
import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any, Final

import msgspec
from aiosmtpd.smtp import SMTP, Envelope, Session
from standardwebhooks import Webhook, WebhookVerificationError

from demo import page
from demo.landed import Landed, LandedMail, LandedWebhook
from demo.settings import DemoSettings
from services.nurture.config import load_endpoints
from shared import log, secrets
from shared.clock import utc_now
from shared.runtime import service as runtime
from shared.runtime.service import Service
from shared.settings import load

_LOG = log.get(__name__)
_LARGEST: Final = 1_000_000
_OPEN: Final = ("/healthz", "/readyz")
_HERE: Final = re.compile(r"(?:localhost|127\.0\.0\.1|\[::1\])(?::\d+)?", re.IGNORECASE)
_LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")
Send = Callable[[dict[str, Any]], Awaitable[None]]


class Mailbox:
    """Keeps every mail that comes in by SMTP."""

    def __init__(self, landed: Landed) -> None:
        """Mails are added to `landed`."""
        self._landed = landed

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's
        """Take a mail from the SMTP server; returns the answer to its client."""
        message = message_from_bytes(envelope.original_content or b"", policy=default)
        assert isinstance(message, EmailMessage)
        body = message.get_body(preferencelist=("plain",))
        text = body.get_content() if body is not None else ""
        self._landed.mails.append(LandedMail(str(message["To"]), str(message["Subject"]), utc_now(), str(text)))
        return "250 OK"


class Receiver:
    """The HTTP side, plain ASGI: `POST /webhooks/<endpoint>`, `/`, `/webhooks.json`, `/mails.json`, `/healthz`."""

    def __init__(self, landed: Landed, verifiers: Mapping[str, Sequence[Webhook]], token: str | None) -> None:
        """`verifiers`: per endpoint, one for each of its secrets. `token` opens the page; None: open to this machine.

        A page of another site could still reach it from a browser here, under a name of its own: the Host gives it
        away.
        """
        self._landed = landed
        self._token = token
        self._verifiers = verifiers

    async def __call__(self, scope: dict[str, Any], receive: Callable[[], Awaitable[Any]], send: Send) -> None:
        path, method, headers = scope["path"], scope["method"], dict(scope["headers"])
        if path not in _OPEN and not path.startswith("/webhooks/") and not self._may_look(headers):
            await _answer(send, *self._refusal())
        elif method == "POST" and path.startswith("/webhooks/"):
            await self._webhook(path.removeprefix("/webhooks/"), headers, receive, send)
        elif method == "GET" and path == "/":
            await _answer(send, 200, page.page(self._landed), page.HEADERS)
        elif method == "GET" and path == "/webhooks.json":
            await _json(send, {"items": list(self._landed.webhooks.values()), "refused": self._landed.refused})
        elif method == "GET" and path == "/mails.json":
            await _json(send, {"items": list(self._landed.mails)})
        elif method == "GET" and path in _OPEN:
            await _json(send, {"status": "ok"})
        else:
            await _answer(send, 404, b"")

    def _may_look(self, headers: Mapping[bytes, bytes]) -> bool:
        if self._token is None:
            return _HERE.fullmatch(headers.get(b"host", b"").decode("latin-1")) is not None
        scheme, _, told = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
        if scheme.lower() == "basic":
            with suppress(binascii.Error, UnicodeDecodeError):
                told = base64.b64decode(told, validate=True).decode().partition(":")[2]
        return hmac.compare_digest(told.encode(), self._token.encode())

    def _refusal(self) -> tuple[int, bytes, Sequence[tuple[bytes, bytes]]]:
        if self._token is None:
            return 403, b"This page is for this machine: open it by http://127.0.0.1.", ()
        return 401, b"The password is the admin token.", ((b"www-authenticate", b'Basic realm="firsthour demo"'),)

    async def _webhook(
        self, endpoint: str, headers: dict[bytes, bytes], receive: Callable[[], Awaitable[Any]], send: Send
    ) -> None:
        body, more = b"", True
        while more and len(body) <= _LARGEST:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        named = {name.decode("latin-1"): value.decode("latin-1") for name, value in headers.items()}
        for verifier in self._verifiers.get(endpoint, ()):
            try:
                verifier.verify(body.decode(), named)
            except (WebhookVerificationError, UnicodeDecodeError):
                continue
            payload = msgspec.json.decode(body)
            self._landed.add_webhook(LandedWebhook(named["webhook-id"], endpoint, utc_now(), payload))
            await _answer(send, 204, b"")
            return
        self._landed.refused += 1
        _LOG.warning("webhook_refused", endpoint=endpoint if endpoint in self._verifiers else "unknown")
        await _answer(send, 401, b"")


async def _json(send: Send, document: Any) -> None:
    await _answer(send, 200, msgspec.json.encode(document), ((b"content-type", b"application/json"),))


async def _answer(send: Send, status: int, body: bytes, headers: Sequence[tuple[bytes, bytes]] = ()) -> None:
    length = () if status == 204 else ((b"content-length", b"%d" % len(body)),)  # noqa: PLR2004 - no content
    await send({"type": "http.response.start", "status": status, "headers": [*headers, *length]})
    await send({"type": "http.response.body", "body": body})


@asynccontextmanager
async def build(settings: DemoSettings) -> AsyncIterator[Service]:
    """Both sinks. Raises ConfigurationError or MissingSecret when the endpoints cannot be verified."""
    landed = Landed()
    verifiers = {
        name: [Webhook(secrets.resolve(reference, os.environ, settings.state)) for reference in each.secrets]
        for name, each in load_endpoints(settings.config).webhooks.items()
    }

    async def mailbox(stopping: asyncio.Event) -> None:
        handler = Mailbox(landed)
        server = await asyncio.get_running_loop().create_server(
            lambda: SMTP(handler, enable_SMTPUTF8=True, hostname="localhost"),
            settings.demo_host,
            settings.demo_smtp_port,
        )
        async with server:
            await stopping.wait()

    token = None if settings.demo_host in _LOOPBACK else settings.token()
    yield Service(Receiver(landed, verifiers, token), [{"mailbox": mailbox}])


def main() -> int:
    """Run until a signal; the exit code."""
    settings = load(DemoSettings)
    settings = settings.model_copy(update={"host": settings.demo_host})
    return runtime.run("sinks", settings, settings.demo_port, lambda: build(settings))


if __name__ == "__main__":
    sys.exit(main())
