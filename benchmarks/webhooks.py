"""How many signed webhooks a second one process can post to a fast receiver on this machine, by concurrency.

`line` is what nurture sends with; `httpx` and `aiohttp` are bare clients that sign and post, one for all requests. The
database is not in it: `benchmarks.nurture` measures webhooks with their rows, attempts and facts.

    python -m benchmarks.webhooks --count 5000
"""

import argparse
import asyncio
import json
import time
from collections.abc import Awaitable, Callable

import aiohttp
import httpx
import uvloop

from benchmarks.receiver import a_receiver
from services.nurture.channels.webhook.connection import Answered
from services.nurture.channels.webhook.http_client import Line, Names, tls_context
from services.nurture.channels.webhook.signature import signed_headers
from shared.clock import new_id, utc_now

KEY = b"k" * 32
BODY = json.dumps({"type": "followup.requested", "data": {"text": "x" * 1200}}).encode()
FIXED = (("content-type", "application/json"), ("user-agent", "Firsthour"))


def headers() -> list[tuple[str, str]]:
    return [*FIXED, *signed_headers([KEY], str(new_id()), int(utc_now().timestamp()), BODY).items()]


async def rate(post: Callable[[], Awaitable[None]], count: int, at_once: int) -> dict[str, int]:
    left = iter(range(count))

    async def worker() -> None:
        for _ in left:
            await post()

    start, busy = time.perf_counter(), time.process_time()
    await asyncio.gather(*(worker() for _ in range(at_once)))
    busy = time.process_time() - busy
    return {"per_s": round(count / (time.perf_counter() - start)), "cpu_us": round(busy / count * 1e6)}


async def by_line(url: str, count: int, at_once: int) -> dict[str, int]:
    names = Names()
    line = Line(url, names=names, tls=tls_context(), allow_private=True)

    async def post() -> None:
        reply = await line.post(BODY, headers())
        assert isinstance(reply, Answered), reply

    try:
        return await rate(post, count, at_once)
    finally:
        await line.aclose()
        names.close()


async def by_httpx(url: str, count: int, at_once: int) -> dict[str, int]:
    limits = httpx.Limits(max_connections=at_once, max_keepalive_connections=at_once)
    async with httpx.AsyncClient(limits=limits, trust_env=False) as client:

        async def post() -> None:
            (await client.post(url, content=BODY, headers=headers())).raise_for_status()

        return await rate(post, count, at_once)


async def by_aiohttp(url: str, count: int, at_once: int) -> dict[str, int]:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=at_once)) as client:

        async def post() -> None:
            async with client.post(url, data=BODY, headers=headers()) as response:
                response.raise_for_status()
                await response.read()

        return await rate(post, count, at_once)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=5000)
    options = parser.parse_args()
    with a_receiver() as port:
        url = f"http://127.0.0.1:{port}/"
        result = {
            f"{name}_{at_once}": uvloop.run(way(url, options.count, at_once))
            for name, way in (("httpx", by_httpx), ("aiohttp", by_aiohttp), ("line", by_line))
            for at_once in (1, 8, 16, 64)
        }
    for name, found in result.items():
        print(f"{name:12} {found['per_s']:6} a second, {found['cpu_us']} µs of processor each")


if __name__ == "__main__":
    main()
