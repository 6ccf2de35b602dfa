"""Whether outgoing traffic gets through: DNS, the mail server, webhook receivers. Nothing is sent."""

import asyncio
import os
import socket
import ssl
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from aiosmtplib import SMTP, SMTPAuthenticationError, SMTPException

from services.cli.doctor.finding import PATIENCE_S, Finding, ok, wrong
from services.nurture.channels.email.settings import MailServer
from services.nurture.channels.webhook.address_guard import first_refusal
from services.nurture.channels.webhook.settings import Webhook
from shared import secrets

_MAIL: Final = "mail"


async def _addresses(host: str, port: int) -> list[str] | str:
    """The addresses of a name, or why it does not resolve."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(PATIENCE_S):
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except TimeoutError:
        return f"the name {host} was not answered within 5 s (DNS)"
    except OSError:
        return f"the name {host} is not known (DNS)"
    return [str(each[4][0]) for each in found]


async def mail(server: MailServer | None, state: Path) -> list[Finding]:
    """One connection to the mail server, with TLS and our password; no mail is handed over.

    `state` is the state folder: as for nurture, its secrets may hold the password.
    """
    if server is None:
        return [ok(_MAIL, "no mail server is configured: no mail is sent")]
    at = f"{server.host}:{server.port}"
    addresses = await _addresses(server.host, server.port)
    if isinstance(addresses, str):
        return [wrong(_MAIL, addresses, "fix `email.smtp` in endpoints.yaml, or this machine's DNS")]
    smtp = SMTP(
        hostname=server.host,
        port=server.port,
        timeout=PATIENCE_S,
        use_tls=server.tls == "smtps",
        start_tls=server.tls == "starttls",
    )
    try:
        await smtp.connect()
        if server.user is not None and server.password is not None:
            await smtp.login(server.user, secrets.resolve(server.password, os.environ, state, made_by_setup=False))
        await smtp.noop()
    except secrets.MissingSecret as error:
        return [wrong(_MAIL, f"its password is missing: {error}", "set it for nurture, and start it again")]
    except SMTPAuthenticationError:
        return [wrong(_MAIL, f"{at} does not take our user and password", "fix `email` in endpoints.yaml")]
    except (SMTPException, OSError, TimeoutError) as error:
        do = "see host, port and TLS of `email.smtp` in endpoints.yaml; many hosters block port 25: use 587 or 465"
        return [wrong(_MAIL, f"{at} cannot be used ({type(error).__name__})", do)]
    finally:
        smtp.close()
    return [ok(_MAIL, f"{at} takes our connection; nothing was sent")]


async def webhook(receiver: Webhook) -> list[Finding]:
    """One connection to the receiver, with TLS; nothing is posted."""
    what = f"webhook {receiver.name}"
    parts = urlsplit(receiver.url)
    secure, host = parts.scheme == "https", parts.hostname or ""
    port = parts.port or (443 if secure else 80)
    addresses = await _addresses(host, port)
    if isinstance(addresses, str):
        return [wrong(what, addresses, f"fix `webhooks.{receiver.name}.url` in endpoints.yaml, or the DNS")]
    refused = first_refusal(addresses, allow_private=receiver.allow_private)
    if refused is not None:
        do = f"if it is meant to be on your own network: `webhooks.{receiver.name}.allow_private: true`"
        return [wrong(what, f"{host} is no address that we send to: {refused}", do)]
    context = ssl.create_default_context() if secure else None
    try:
        async with asyncio.timeout(PATIENCE_S):
            _, writer = await asyncio.open_connection(
                addresses[0], port, ssl=context, server_hostname=host if secure else None
            )
    except ssl.SSLCertVerificationError as error:
        return [wrong(what, f"its certificate is not valid: {error.verify_message}", "its owner has to renew it")]
    except ConnectionRefusedError:
        return [wrong(what, f"nothing listens on port {port} of {host}", "start the receiver, or fix its URL")]
    except (OSError, TimeoutError) as error:
        do = "see whether this machine may go out (firewall, proxy), and whether the receiver is up"
        return [wrong(what, f"{host}:{port} cannot be reached ({type(error).__name__})", do)]
    writer.close()
    return [ok(what, f"{host}:{port} takes our connection; nothing was sent")]
