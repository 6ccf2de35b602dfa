"""What a request costs a running service: Hypothesis looks for the slowest one and the largest answer per byte sent.

On every public path of a running installation it draws paths, queries, headers and bodies of what parsers dislike, and
goes after the CPU that the process spends on one (Linux counts nanoseconds), that CPU per KB sent, and the answer's
bytes per byte sent. Prints the worst of each path, and what the services' memory grew by.

    python -m benchmarks.paths [--seconds 300]
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple
from urllib.parse import quote

import httpx
import psutil
from hypothesis import strategies as st

from benchmarks import bodies
from benchmarks.month import everything_up
from benchmarks.worst import searched
from tests.support.processes import Firsthour

_LONGEST: Final = 28_000  # bytes of one place: headers of 32 KB are taken
_HEADER_BYTES: Final = 200  # of a request that says nothing special
_JSON: Final = {"Content-Type": "application/json"}
_FORM: Final = {"Content-Type": "application/x-www-form-urlencoded"}
_PARTS: Final = {"Content-Type": "multipart/form-data; boundary=x"}
_PLAIN: Final = {"Content-Type": "text/plain"}
_HEADERS: Final = (
    "Accept-Language", "Accept", "Authorization", "Content-Type", "Cookie", "If-None-Match", "Origin", "Referer",
    "User-Agent", "X-Forwarded-For", "traceparent", "Idempotency-Key", "Content-Encoding", "Forwarded", "Range",
    "Access-Control-Request-Headers", "Webhook-Request-Origin", "webhook-signature", "Accept-Encoding",
)  # fmt: skip
_PIECES: Final = (
    "a", "de;q=0.1,", "%00", ";a=", "1.2.3.4, ", "=", "é", "&a=1", "[", '"', "\\", "gzip, ", "(", ": ", "0", "/..",
    "%2e", "::1, ", "Bearer ", "\t", "*/*,",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Way:
    """A public path; `{}` in it is whatever is drawn. `key`: the name of a secret that everybody can read in a page."""

    service: str
    method: str
    path: str
    headers: dict[str, str] = field(default_factory=dict)
    drawn: bodies.Bodies | None = None
    key: str = ""

    def __str__(self) -> str:
        kind = self.headers.get("Content-Type", "").partition(";")[0]
        return f"{self.method} {self.path} of {self.service}{f', {kind}' if kind else ''}"


def _ways() -> Iterator[Way]:
    for path in ("/c/{}", "/u/{}"):
        yield from (Way("nurture", method, path) for method in ("GET", "POST"))
    for service, paths in (
        ("nurture", ("/v1/deliveries", "/v1/changes", "/openapi.json", "/docs", "/{}")),
        ("scoring", ("/v1/contacts", "/v1/contacts/{}", "/openapi.json", "/docs", "/readyz", "/{}")),
        ("ingest", ("/f/{}", "/f/website", "/hooks/{}", "/v1/projects/{}/settings", "/firsthour.js", "/openapi.json")),
        ("ingest", ("/docs", "/readyz", "/healthz", "/{}")),
    ):
        yield from (Way(service, "GET", path) for path in paths)
    yield Way("scoring", "POST", "/v1/contacts/search", _JSON, bodies.json_bodies)
    yield from (Way("ingest", "OPTIONS", path) for path in ("/f/website", "/v1/p", "/{}"))
    for headers, told in (
        (_JSON, bodies.json_bodies), (_FORM, bodies.form_bodies), (_PARTS, bodies.multiparts),
        (_PLAIN, bodies.form_bodies),
    ):  # fmt: skip
        yield Way("ingest", "POST", "/f/website", headers, told)
    for path in ("/v1/batch", "/v1/import"):
        yield Way("ingest", "POST", path, _JSON, bodies.batches, "SITE_KEY")
    for path in ("/v1/track", "/v1/identify", "/v1/page", "/v1/group", "/v1/alias", "/v1/p"):
        yield Way("ingest", "POST", path, _JSON, bodies.messages, "SITE_KEY")
    for path, key in (("/v1/leads", "SITE_KEY"), ("/v1/leads", ""), ("/v1/purchases", ""), ("/v1/events", "SITE_KEY")):
        yield Way("ingest", "POST", path, _JSON, bodies.json_bodies, key)
    for path in ("/hooks/stripe", "/hooks/shopify", "/hooks/mailchimp/{}", "/hooks/sendgrid", "/hooks/{}"):
        yield Way("ingest", "POST", path, _JSON, bodies.json_bodies)


class Asked(NamedTuple):
    """One request, and how to call it."""

    what: str
    path: str
    headers: dict[str, str]
    content: bytes


class Cost(NamedTuple):
    """What it cost: milliseconds of CPU, bytes answered per byte sent, bytes sent."""

    ms: float
    answered: float
    size: int
    what: str


_long = st.builds(
    lambda piece, end, length: (piece * length)[:length] + end,
    st.sampled_from(_PIECES),
    st.sampled_from(_PIECES),
    st.sampled_from((0, 9, 100, 3000, _LONGEST)) | st.integers(0, _LONGEST),
)


def requests(way: Way) -> st.SearchStrategy[Asked]:
    """Anything on that path: one or two places hold something long, and a body where one is read."""

    def asked(inner: str, query: str, name: str, text: str, body: bodies.Body | None) -> Asked:
        path, what, headers = way.path, [], dict(way.headers)
        if "{}" in path and inner:
            what.append(f"{inner[:9]!r}*{len(inner)} in the path")
        path = path.replace("{}", quote(inner, safe="%=;,.-") or "x")
        if query:
            path = f"{path}?{quote(query, safe='%/&=;,.-')}"
            what.append(f"{query[:9]!r}*{len(query)} as the query")
        if name:
            headers[name] = text.strip()
            what.append(f"{text[:9]!r}*{len(text)} in {name}")
        if body is not None:
            what.append(body.what[:60])
        return Asked(", ".join(what), path[:_LONGEST], headers, b"" if body is None else body.content)

    nothing = st.just("")
    return st.builds(
        asked,
        (nothing | _long) if "{}" in way.path else nothing,
        nothing | _long | _long.map(lambda text: f"all={text}"),
        nothing | st.sampled_from(_HEADERS),
        _long,
        st.none() if way.drawn is None else way.drawn,
    )


def cpu(process: psutil.Process) -> float:
    """Milliseconds of CPU of all threads of a process, to the microsecond."""
    tasks = Path(f"/proc/{process.pid}/task").glob("*/schedstat")
    return sum(int(task.read_text().split()[0]) for task in tasks) / 1e6


def looked_for(way: Way, firsthour: Firsthour, process: psutil.Process, seconds: float) -> list[Cost]:
    """Search one path, the worst first. Raises AssertionError at an answer of 500."""
    key = (firsthour.secret(way.key), "") if way.key else None
    with httpx.Client(base_url=firsthour.url(way.service), timeout=30, auth=key) as http:

        def look(asked: Asked) -> tuple[Cost, dict[str, float]]:
            headers = {name.encode(): text.encode("utf-8", "replace") for name, text in asked.headers.items()}
            before = cpu(process)
            answer = http.request(way.method, asked.path, headers=headers, content=asked.content)
            ms = cpu(process) - before
            assert answer.status_code not in (500, 502), f"{way}, {asked.what}: {answer.status_code}"
            size = _HEADER_BYTES + len(asked.path) + len(asked.content) + sum(map(len, asked.headers.values()))
            answered = (len(answer.content) + sum(len(n) + len(v) for n, v in answer.headers.raw)) / size
            cost = Cost(ms, answered, size, f"{answer.status_code} {asked.what}")
            return cost, {"ms": ms, "ms per KB": ms / max(size / 1000, 1), "answered": answered}

        return searched(requests(way), look, seconds)


def main() -> int:
    """Search every path for its share of the time."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--seconds", type=float, default=300.0)
    arguments.add_argument("--only", default="", help="paths that contain this")
    told = arguments.parse_args()
    ways = [way for way in _ways() if told.only in str(way)]
    with TemporaryDirectory(prefix="firsthour-paths-") as name, everything_up(Path(name)) as (firsthour, _):
        processes = {service: psutil.Process(each.pid) for service, each in firsthour.processes.items()}
        before = {service: process.memory_info().rss for service, process in processes.items()}
        for way in ways:
            found = looked_for(way, firsthour, processes[way.service], told.seconds / len(ways))
            print(f"{way}: {len(found)} requests", flush=True)
            for each in found[:3]:
                print(f"  {each.ms:8.1f} ms  {each.size:7} bytes  {each.what[:100]}")
            most = max(found, key=lambda each: each.answered)
            print(f"  {most.answered:8.1f} bytes answered for each of {most.size}  {most.what[:80]}", flush=True)
        for service, process in processes.items():
            print(f"{service} grew by {(process.memory_info().rss - before[service]) / 1e6:.0f} MB")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
