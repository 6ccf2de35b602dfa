"""What a request costs before any body: CPU of the services for paths, queries and headers that parsers dislike.

On a running installation, on every public path: each is asked some times with the same piece in another place of it,
and the CPU that the process spent is divided by them. Prints the dearest of each path, and what the memory grew by.

    python -m benchmarks.paths
"""

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple
from urllib.parse import quote

import httpx
import psutil

from benchmarks.month import everything_up

_LONG: Final = 30_000  # bytes: headers of 32 KB are taken
_TIMES: Final = 8
# Service, method, path: what answers without a token or a key, or refuses for lack of one.
PUBLIC: Final = (
    ("nurture", "GET", "/c/{}"), ("nurture", "POST", "/c/{}"), ("nurture", "GET", "/u/{}"),
    ("nurture", "POST", "/u/{}"),
    ("nurture", "GET", "/v1/deliveries"), ("scoring", "GET", "/v1/contacts"), ("scoring", "GET", "/openapi.json"),
    ("ingest", "GET", "/f/{}"), ("ingest", "OPTIONS", "/f/website"), ("ingest", "GET", "/hooks/{}"),
    ("ingest", "POST", "/hooks/mailchimp/{}"), ("ingest", "GET", "/v1/projects/{}/settings"),
    ("ingest", "POST", "/v1/leads"),
    ("ingest", "OPTIONS", "/v1/p"), ("ingest", "GET", "/firsthour.js"), ("ingest", "GET", "/openapi.json"),
    ("ingest", "GET", "/readyz"), ("ingest", "GET", "/{}"),
)  # fmt: skip
_HEADERS: Final = (
    "Accept-Language", "Accept", "Authorization", "Content-Type", "Cookie", "If-None-Match", "Origin", "Referer",
    "User-Agent", "X-Forwarded-For", "traceparent",
)  # fmt: skip
_PIECES: Final = ("a", "de;q=0.1,", "%00", ";a=", "1.2.3.4, ", "=", "é", "&a=1")


class Cost(NamedTuple):
    """CPU of one request."""

    ms: float
    what: str


def asked(path: str) -> Iterator[tuple[str, str, dict[str, str]]]:
    """What is varied, the path with its query, and the headers."""
    yield "as it is", path.replace("{}", "x"), {}
    for piece in _PIECES:
        long = (piece * _LONG)[:_LONG].strip()
        safe = quote(long, safe="%/&=;,.-")[:_LONG]
        if "{}" in path:
            yield f"{piece!r} in the path", path.replace("{}", safe), {}
        yield f"{piece!r} in the query", f"{path.replace('{}', 'x')}?all={safe}", {}
        yield f"{piece!r} as the query", f"{path.replace('{}', 'x')}?{safe}", {}
        for name in _HEADERS:
            yield f"{piece!r} in {name}", path.replace("{}", "x"), {name: long.encode("latin-1").decode("latin-1")}


def measure(http: httpx.Client, process: psutil.Process, method: str, path: str) -> list[Cost]:
    """The CPU of every variation, dearest first."""
    found = []
    for what, where, headers in asked(path):
        raw = {name.encode(): value.encode("latin-1") for name, value in headers.items()}
        before = process.cpu_times()
        for _ in range(_TIMES):
            answer = http.request(method, where, headers=raw)
            assert answer.status_code < 500, f"{method} {path}, {what}: {answer.status_code}"
        after = process.cpu_times()
        spent = after.user + after.system - before.user - before.system
        found.append(Cost(spent * 1000 / _TIMES, what))
    return sorted(found, reverse=True)


def main() -> int:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    with TemporaryDirectory(prefix="firsthour-paths-") as name, everything_up(Path(name)) as (firsthour, _):
        processes = {service: psutil.Process(each.pid) for service, each in firsthour.processes.items()}
        before = {service: process.memory_info().rss for service, process in processes.items()}
        for service, method, path in PUBLIC:
            began = time.monotonic()
            with httpx.Client(base_url=firsthour.url(service), timeout=30) as http:
                costs = measure(http, processes[service], method, path)
            dearest = ", ".join(f"{each.ms:.1f} ms {each.what}" for each in costs[:3])
            print(f"{method} {path} of {service}: {dearest} ({time.monotonic() - began:.0f} s)", flush=True)
        for service, process in processes.items():
            print(f"{service} grew by {(process.memory_info().rss - before[service]) / 1e6:.0f} MB")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
