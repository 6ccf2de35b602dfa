"""When the certificate ends of the address where leads come in, seen by a real handshake."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from services.nurture.certificate import Certificate, trusted
from tests.support.processes import free_ports
from tests.support.tls import TlsProxy, tls_proxy
from tests.support.waiting import until

FIGURE = "firsthour_certificate_expires_timestamp_seconds"


@asynccontextmanager
async def looking(url: str) -> AsyncIterator[CollectorRegistry]:
    registry, stopping = CollectorRegistry(), asyncio.Event()
    running = asyncio.create_task(Certificate(url, registry).run(stopping))
    try:
        yield registry
    finally:
        stopping.set()
        await asyncio.wait_for(running, 15)


async def seen(proxy: TlsProxy) -> float:
    async with looking(f"https://127.0.0.1:{proxy.port}") as registry:
        await until(lambda: (registry.get_sample_value(FIGURE) or 0) > 0, 15)
        found = registry.get_sample_value(FIGURE)
        assert found is not None
        return found


async def test_what_is_not_trusted_or_is_over_is_over_now(tmp_path: Path) -> None:
    for ends_in in (timedelta(days=3), timedelta(days=-1)):
        with tls_proxy(tmp_path, ends_in=ends_in) as proxy:
            found = await seen(proxy)
            assert found == pytest.approx(datetime.now(UTC).timestamp(), abs=30)


async def test_nobody_there_says_nothing_and_plain_http_has_none() -> None:
    (port,) = free_ports(1)
    for url in (f"https://127.0.0.1:{port}", f"http://127.0.0.1:{port}"):
        async with looking(url) as registry:
            await asyncio.sleep(0.3)
            found = registry.get_sample_value(FIGURE)
            assert found is None or found != found, "not a number"  # noqa: PLR0124 - that is what NaN is


def test_what_is_trusted_holds_the_certificates_that_webhooks_trust() -> None:
    assert trusted().cert_store_stats()["x509_ca"] > 0
