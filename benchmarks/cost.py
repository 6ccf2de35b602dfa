"""Looks for the request that costs most: time and memory of what a stranger may send, per public path.

Hypothesis draws the bodies (bodies.py) and goes after those that take longest, longest per byte sent, and most memory.
Prints the worst of each path: to read, judge and encode it, the server and Kafka aside (those: benchmarks.paths).

    python -m benchmarks.cost [--seconds 300]
"""

import argparse
import gc
import time
import tracemalloc
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, NamedTuple, cast

from benchmarks.bodies import (
    MANY,
    ONE,
    Bodies,
    Body,
    agents,
    batches,
    envelopes,
    form_bodies,
    hook_bodies,
    json_bodies,
    lists_of_envelopes,
    multiparts,
)
from benchmarks.worst import searched
from services.ingest.accept.outgoing import as_outgoing
from services.ingest.domain.cloud_events import read_cloud_event
from services.ingest.domain.fact import Fact, Refused
from services.ingest.domain.forms.body import parse_form, parse_multipart
from services.ingest.domain.forms.read import read_form
from services.ingest.domain.hooks.generic import Rule
from services.ingest.domain.hooks.hook import Incoming
from services.ingest.domain.hooks.registry import SENDERS
from services.ingest.domain.likelihood import Agents, Visitor, human_likelihood
from services.ingest.domain.plain.leads import read_lead
from services.ingest.domain.plain.typed_lead import read_typed_lead
from services.ingest.http.body import MOST_VALUES_OF_BATCH, decode_json, decode_object
from services.ingest.http.client_address import sender
from services.ingest.routes.segment import Segment, _batch_of
from shared.clock import new_id
from shared.http.problems import Problem

_HEADERS = {"x-shopify-topic": "orders/paid", "x-wc-webhook-topic": "order.updated"}
_RULE = Rule("lead.captured", {}, {"email": "/who", "name": "/x/a", "traits.x": "/x", "traits.y": "/id"})
NOW = datetime(2026, 1, 1, tzinfo=UTC)
_LEAST: float = 4096  # bytes that any request may take for itself


class Cost(NamedTuple):
    """Of one body."""

    amount: float
    size: int
    what: str


def emitted(facts: Iterable[Fact]) -> None:
    for fact in facts:
        as_outgoing(
            fact, topic="t", source="/s", trust="public", identifier=new_id(), now=NOW, trace=None, key_secret=b"k"
        )


def lead(body: bytes) -> None:
    emitted([read_typed_lead(body) or read_lead(decode_object(body))])


def form(body: bytes) -> None:
    emitted([read_form(parse_form(body), {}, name="x", came_from=None)])


def json_form(body: bytes) -> None:
    emitted([read_form(decode_object(body), {}, name="x", came_from=None)])


def multipart(body: bytes) -> None:
    emitted([read_form(parse_multipart(body, b"multipart/form-data; boundary=x"), {}, name="x", came_from=None)])


def batch(body: bytes) -> None:
    segment = Segment(cast("Any", None), cast("Any", None), largest=ONE, largest_batch=MANY)
    said = _batch_of(body)
    nul, some = b"\\u0000" in body, (said.batch or [])[:2500]
    emitted(segment._facts(some, sent=None, public=True, nul=nul, wrong=[]))  # noqa: SLF001 - its inner part alone


def cloud_event(body: bytes) -> None:
    emitted([read_cloud_event(decode_json(body))])


def cloud_events(body: bytes) -> None:
    emitted(read_cloud_event(each) for each in decode_json(body, most=MOST_VALUES_OF_BATCH))


def hook(kind: str) -> Callable[[bytes], None]:
    """What a verified sender's webhook costs: without its signature nothing of it is read."""

    def run(body: bytes) -> None:
        incoming = Incoming(_HEADERS, body, "https://hooks.example.com/hooks/x", NOW)
        options = {"signature": None, "id": "/id", "events": (_RULE,)} if kind == "generic" else {}
        emitted(SENDERS[kind].read(incoming, decode_json(body, most=MOST_VALUES_OF_BATCH), options).facts)

    return run


def agent(body: bytes) -> None:
    human_likelihood(Visitor(Agents().one(body.decode("utf-8", "replace"))))
    sender(body.decode("utf-8", "replace")[:60])


Run = Callable[[bytes], None]

PATHS: dict[str, tuple[Run, Bodies]] = {
    "POST /v1/leads": (lead, json_bodies),
    "POST /f/<source>, JSON": (json_form, json_bodies),
    "POST /f/<source>, url-encoded": (form, form_bodies),
    "POST /f/<source>, multipart": (multipart, multiparts),
    "POST /v1/batch": (batch, batches),
    "POST /v1/events": (cloud_event, envelopes),
    "POST /v1/events, a batch": (cloud_events, lists_of_envelopes),
    "User-Agent": (agent, agents),
    **{f"POST /hooks/<{kind}>": (hook(kind), hook_bodies(kind)) for kind in sorted(SENDERS)},
}


def spent(run: Run, body: bytes) -> float:
    """Milliseconds of CPU of the first run: what is remembered helps nobody who varies it."""
    began = time.process_time()
    _quietly(run, body)
    return (time.process_time() - began) * 1000


def memory(run: Run, body: bytes) -> float:
    """The most that was held at once, times the body."""
    tracemalloc.start()
    _quietly(run, body)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak / max(len(body), _LEAST)


def _quietly(run: Run, body: bytes) -> None:
    try:
        run(body)
    except (Problem, Refused):
        return


def looked_for(measure: Callable[[Run, bytes], float], run: Run, bodies: Bodies, seconds: float) -> list[Cost]:
    """What was found, the worst first."""

    def look(body: Body) -> tuple[Cost, dict[str, float]]:
        amount = measure(run, body.content)
        goals = {"amount": amount, "amount per KB sent": amount / max(len(body.content) / 1000, 1)}
        return Cost(amount, len(body.content), body.what), goals

    return searched(bodies, look, seconds)


def main() -> None:
    """Search every path, half of the time for CPU and half for memory."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--seconds", type=float, default=300.0)
    arguments.add_argument("--only", default="", help="paths that contain this")
    told = arguments.parse_args()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)  # as the services do
    chosen = {path: how for path, how in PATHS.items() if told.only in path}
    for path, (run, bodies) in chosen.items():
        share = told.seconds / len(chosen) / 2
        _quietly(run, b"{}")  # what is made once
        slowest, largest = (looked_for(measure, run, bodies, share) for measure in (spent, memory))
        print(f"{path}: {len(slowest)} bodies, {len(largest)} for memory")
        for each in slowest[:3]:
            print(f"  {each.amount:8.1f} ms  {each.size:7} bytes  {each.what[:90]}")
        for each in largest[:2]:
            print(f"  {each.amount:8.1f} * its size  {each.size:7} bytes  {each.what[:90]}", flush=True)


if __name__ == "__main__":
    main()
