"""Watches when the certificate of the public address of ingest expires."""

import asyncio
import contextlib
import ssl
from typing import Final
from urllib.parse import urlsplit

from prometheus_client import CollectorRegistry, Gauge

from services.nurture.channels.webhook.http_client import tls_context
from shared import clock, log
from shared.runtime.deadlines import LOOK_S
from shared.runtime.pause import pause

_LOG = log.get(__name__)
_EVERY_S: Final = 3600.0
_SOON_S: Final = 60.0  # after a look that reached nobody
_HTTPS: Final = 443


def trusted() -> ssl.SSLContext:
    """The CAs of outgoing webhooks and those of this machine (`SSL_CERT_FILE` too), so that a private CA counts."""
    context = tls_context()
    context.load_default_certs()
    return context


class Certificate:
    """The certificate of one address; `run` is a task of the service."""

    def __init__(self, url: str, registry: CollectorRegistry) -> None:
        """An address without TLS has no certificate, and no metric."""
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port or _HTTPS
        self._ends: Gauge | None = None
        if parts.scheme == "https":
            self._ends = Gauge(
                "firsthour_certificate_expires_timestamp_seconds",
                "When the certificate ends of the address where leads come in (Unix time); a past time: it is refused.",
                registry=registry,
            )
            self._ends.set(float("nan"))

    async def run(self, stopping: asyncio.Event) -> None:
        if self._ends is None:
            await stopping.wait()
            return
        context = trusted()
        while not stopping.is_set():
            found = await self._look(context)
            if found is not None:
                self._ends.set(found)
            await pause(stopping, _SOON_S if found is None else _EVERY_S)

    async def _look(self, context: ssl.SSLContext) -> float | None:
        """When it expires; now, when it is refused; None when the address could not be reached."""
        try:
            async with asyncio.timeout(LOOK_S):
                _, writer = await asyncio.open_connection(self._host, self._port, ssl=context)
        except ssl.SSLCertVerificationError as error:
            _LOG.warning("certificate_refused", reason=error.verify_message)
            return clock.utc_now().timestamp()
        except OSError as error:
            _LOG.warning("certificate_not_seen", reason=type(error).__name__)
            return None
        try:
            shown = writer.get_extra_info("peercert") or {}
            return float(ssl.cert_time_to_seconds(shown["notAfter"]))
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
