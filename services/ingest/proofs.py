"""Signatures that are checked with a public key: SNS' certificates are fetched, SendGrid's key stands in sources.yaml.

A certificate comes only from Amazon's own hosts, by TLS, without redirects, bounded in time and size, and is kept for a
day: nobody can make ingest call another address, or call often. On failure the sender is asked to repeat.
"""

import asyncio
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

import httpx

from services.ingest.domain.hooks.hook import Signed
from services.ingest.domain.hooks.mailing.ses import of_amazon
from shared.clock import utc_now
from shared.errors import Transient
from shared.runtime.deadlines import ASKED_BACK_S

if TYPE_CHECKING:
    from services.ingest.public_keys import Key

_LARGEST: Final = 65_536
_MOST_KEPT: Final = 32
_KEPT: Final = timedelta(days=1)


class Proofs:
    """Checks signatures, and confirms subscriptions, for all sources."""

    def __init__(self, *, transport: httpx.AsyncBaseTransport | None = None) -> None:
        """Nothing is loaded, and nothing connects, before it is needed. `transport`: how requests leave."""
        self._transport = transport
        self._client: httpx.AsyncClient | None = None
        self._kept: dict[str, tuple[Key, datetime]] = {}
        self._fetching = asyncio.Lock()

    async def check(self, signed: Signed) -> None:
        """Raises Unverified when it does not prove its sender, Transient when the certificate cannot be had now."""
        from services.ingest import public_keys  # noqa: PLC0415 - see there

        if signed.certificate:
            key = await self._certified(signed.certificate)
        else:
            key = public_keys.written(signed.key)
        public_keys.check(signed, key)

    async def confirm(self, url: str) -> None:
        """Open Amazon's link that confirms a subscription. Raises Transient when that does not work now."""
        await self._get(url)

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()

    async def _certified(self, url: str) -> "Key":
        """The key of the certificate there."""
        from services.ingest import public_keys  # noqa: PLC0415 - see there

        async with self._fetching:
            now = utc_now()
            if url in self._kept and self._kept[url][1] > now:
                return self._kept[url][0]
            key, ends = public_keys.certified(await self._get(url), now)
            if len(self._kept) >= _MOST_KEPT:
                self._kept.clear()
            self._kept[url] = key, min(ends, now + _KEPT)
            return key

    async def _get(self, url: str) -> bytes:
        if not of_amazon(url):
            raise Transient("not an address of SNS")
        if self._client is None:
            self._client = httpx.AsyncClient(
                headers={"accept-encoding": "identity", "user-agent": "firsthour"},
                timeout=ASKED_BACK_S,
                follow_redirects=False,
                trust_env=False,
                transport=self._transport,
            )
        body = bytearray()
        try:
            async with asyncio.timeout(ASKED_BACK_S), self._client.stream("GET", url) as response:
                if response.status_code != httpx.codes.OK:
                    raise Transient(f"Amazon answers {response.status_code}")
                async for chunk in response.aiter_raw():
                    body += chunk
                    if len(body) > _LARGEST:
                        raise Transient("Amazon answers too much")
        except (TimeoutError, httpx.HTTPError, httpx.InvalidURL) as error:
            raise Transient(f"Amazon does not answer ({type(error).__name__})") from None
        return bytes(body)
