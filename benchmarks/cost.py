"""Looks for the request that costs most: time and memory of what a stranger may send, per public path.

A plain search: bodies are made of pieces that parsers dislike, in every field that is read, as long as the path takes;
the worst are crossed with each other for a few rounds. Prints the worst of each path.

    python -m benchmarks.cost [--seconds 60]
"""

import argparse
import gc
import json
import random
import time
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, cast
from urllib.parse import quote

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

ONE, MANY = 32_768, 512_000
_RECORDED = Path(__file__).parents[1] / "tests" / "unit" / "ingest" / "hooks"
_HEADERS = {"x-shopify-topic": "orders/paid", "x-wc-webhook-topic": "order.updated"}
_RULE = Rule("lead.captured", {}, {"email": "/who", "name": "/x/a", "traits.x": "/x", "traits.y": "/id"})
NOW = datetime(2026, 1, 1, tzinfo=UTC)
PIECES = (
    " ", "a", "0", "+", "@", ".", "-", "(", "/", "%", "&", "é", "ß", "İ", "ﷺ", "́", "٣", "\uff11", "ł",
    "xn--", "a.", "a@", "a-", "1 ",
    "+1", "+44 ", "0x", "😀", "�", "a b", "\u200b", "'", '"', "\\", "a;", "a/", "[", "]", "[a]", "utm_source=",
    "gclid&", "?", "#", "=",
    "https://", "ﬃ", "a1.", "(a) ", "Z", "T", "2026-", "1e", "9", ";q=", "\t", "\u3000", "aa ", "x@x",
    "\u202e", "·", "_",
)  # fmt: skip
FIELDS = (
    "email", "phone", "name", "company", "message", "page", "referrer", "user_id", "anonymous_id", "country", "consent",
    "occurred_at", "message_id", "form", "interest", "estimated_value", "campaign", "traits", "utm_source",
    "_redirect", "x",
)  # fmt: skip


class Cost(NamedTuple):
    """Of one body."""

    ms: float
    memory: float  # times its size
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


def texts(dice: random.Random) -> Iterator[str]:
    """Values of all lengths, each piece again and again, and pairs of pieces."""
    for length in dice.sample((40, 300, 500, 2000, 9000), 5):
        for piece in PIECES:
            yield (piece * length)[:length]
        for _ in range(30):
            one, other = dice.choice(PIECES), dice.choice(PIECES)
            yield (one * (length // 2) + (one + other) * length)[:length] + dice.choice(PIECES)


def json_bodies(dice: random.Random) -> Iterator[tuple[str, bytes]]:
    for text in texts(dice):
        for name in FIELDS:
            told = {"email": "a@example.com", name: text}
            yield f"{name}={text[:12]!r}*{len(text)}", json.dumps(told, ensure_ascii=False).encode()
    for element in ("{}", "[]", '""', "0", "[[]]", '{"":{}}', "null", "1e9", '"ab"'):
        many = ",".join([element] * (ONE // (len(element) + 1) - 20))
        yield f"traits of {element}", f'{{"email":"a@example.com","traits":{{"a":[{many}]}}}}'.encode()
        yield f"unknown of {element}", f'{{"email":"a@example.com","a":[{many}]}}'.encode()
    yield "many fields", json.dumps({f"f{number}": "" for number in range(2500)}).encode()
    yield "deep", b'{"a":' * 900 + b"1" + b"}" * 900


def form_bodies(dice: random.Random) -> Iterator[tuple[str, bytes]]:
    for text in texts(dice):
        for name in FIELDS:
            yield f"{name}={text[:12]!r}*{len(text)}", f"email=a@example.com&{name}={quote(text)}"[:ONE].encode()
        yield f"name {text[:12]!r}*{len(text)}", f"email=a@example.com&{quote(text)}=x"[:ONE].encode()
    for piece in PIECES:
        names = "&".join(f"{quote(piece * 30)}{number}=1" for number in range(99))
        yield f"99 names {piece!r}", f"email=a@example.com&{names}"[:ONE].encode()
    yield "many ampersands", b"&" * ONE
    yield "many escapes", b"a=" + b"%41" * 10_000


def multiparts(dice: random.Random) -> Iterator[tuple[str, bytes]]:
    part = b'--x\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n'
    for text in texts(dice):
        value = text.encode("utf-8", "replace")
        yield f"value {text[:12]!r}*{len(text)}", (part % (b"message", value) + b"--x--\r\n")[: 2 * ONE]
        yield f"name {text[:12]!r}*{len(text)}", (part % (value[:190], b"v") + b"--x--\r\n")[: 2 * ONE]
    yield "many parts", part % (b"a", b"") * 1000
    yield "nearly boundaries", part % (b"message", b"\r\n--" * 14_000)
    yield "long headers", b"--x\r\n" + b"a:b\r\n" * 12_000
    yield "options", b'--x\r\nContent-Disposition: form-data; name="' + b'\\"' * 1900 + b'"\r\n\r\n\r\n--x--\r\n'


def batches(dice: random.Random) -> Iterator[tuple[str, bytes]]:
    def of(what: str, message: Callable[[int], Any]) -> tuple[str, bytes]:
        one = len(json.dumps(message(0), ensure_ascii=False).encode()) + 2
        messages = [message(number) for number in range(min(2500, (MANY - 100) // one))]
        return what, json.dumps({"batch": messages}, ensure_ascii=False).encode()[:MANY]

    yield of("smallest pages", lambda _: {"type": "page", "userId": "u"})
    yield of("smallest leads", lambda n: {"type": "track", "event": "Signed Up", "userId": str(n)})
    products = {"products": [{"price": 1}] * 50}
    yield of(
        "orders", lambda n: {"type": "track", "event": "Order Completed", "userId": str(n), "properties": products}
    )
    for element in ("{}", "[]", "0", '""', '{"type":"page"}', "[[]]"):
        many = ",".join([element] * ((MANY - 100) // (len(element) + 1)))
        yield f"batch of {element}", f'{{"batch":[{many}]}}'.encode()
        yield f"no batch, but {element}", f'{{"batch":{{"a":[{many}]}}}}'.encode()
        yield f"writeKey of {element}", f'{{"batch":1,"writeKey":[{many}]}}'.encode()
    some = [each for each in texts(dice) if len(each) < 600]
    dice.shuffle(some)
    for text in some:
        for name in ("email", "phone", "name", "page", "x"):
            yield of(
                f"{name}={text[:12]!r}*{len(text)}",
                lambda number, name=name, text=text: {  # type: ignore[misc]
                    "type": "track", "event": "Signed Up", "anonymousId": "d", "properties": {name: f"{number}{text}"},
                },
            )  # fmt: skip
        yield of(
            f"trait email={text[:12]!r}*{len(text)}",
            lambda number, text=text: {  # type: ignore[misc]
                "type": "identify", "userId": f"{number}{text[:90]}",
                "traits": {"email": f"{number}@{text}", "phone": text},
            },
        )  # fmt: skip
        yield of(
            f"agent={text[:12]!r}*{len(text)}",
            lambda number, text=text: {  # type: ignore[misc]
                "type": "page", "anonymousId": "d",
                "context": {"userAgent": f"{number}{text}", "page": {"url": f"?{text}"}},
            },
        )  # fmt: skip
        yield of(
            f"event={text[:12]!r}*{len(text)}",
            lambda number, text=text: {"type": "track", "event": f"{number}{text}"[:500], "anonymousId": "d"},  # type: ignore[misc]
        )


def envelopes(dice: random.Random) -> Iterator[tuple[str, bytes]]:
    for what, body in json_bodies(dice):
        data = json.loads(body)
        for kind in ("lead.captured", "engagement.recorded", "purchase.completed", "consent.changed"):
            said = {"identity": {"email": "a@example.com"}, "kind": "a", "order_id": "o", "amount": "1", **data}
            event = {"specversion": "1.0", "id": "1", "source": "/s", "type": kind, "data": said}
            yield f"{kind} {what}", json.dumps(event, ensure_ascii=False).encode()[:ONE]
        yield f"envelope {what}", json.dumps({**event, **data}, ensure_ascii=False).encode()[:ONE]


def lists_of_envelopes(_dice: random.Random) -> Iterator[tuple[str, bytes]]:
    event = {
        "specversion": "1.0",
        "source": "/s",
        "type": "lead.captured",
        "data": {"identity": {"email": "a@example.com"}},
    }
    some = [event | {"id": str(number)} for number in range(2500)]
    yield f"{len(some)} of the smallest", json.dumps(some).encode()
    for element in ("{}", "[]", "0", '""', "[[]]", '{"":{}}'):
        yield f"list of {element}", f"[{','.join([element] * ((MANY - 9) // (len(element) + 1)))}]".encode()


def hook_bodies(kind: str) -> Callable[[random.Random], Iterator[tuple[str, bytes]]]:
    """The documented bodies with each of their texts replaced, and their lists grown to what is read at most."""
    known = [json.loads(path.read_bytes()) for path in sorted((_RECORDED / kind).glob("*.json"))]

    def bodies(dice: random.Random) -> Iterator[tuple[str, bytes]]:
        for document in known or [{"id": "1", "who": "a@example.com", "x": {"a": "b"}}]:
            whole = json.dumps(document, ensure_ascii=False)
            for way in _places(document):
                named, many = "/".join(map(str, way)), partial(_many, size=len(whole))
                for text in dice.sample(list(texts(dice)), 3):
                    yield f"{named}={text[:12]!r}*{len(text)}", _with(whole, way, lambda _, text=text: text)  # type: ignore[misc]
                yield f"{named} again and again", _with(whole, way, many)

    return bodies


def _many(value: Any, size: int) -> Any:
    one = len(json.dumps(value)) + 2
    return (value if isinstance(value, list) else [value]) * max(1, (MANY - size) // one)


def _places(value: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if way:
        yield way
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, inner in steps:
        yield from _places(inner, (*way, step))


def _with(whole: str, way: tuple[Any, ...], made: Callable[[Any], Any]) -> bytes:
    document = above = json.loads(whole)
    for step in way[:-1]:
        above = above[step]
    above[way[-1]] = made(above[way[-1]])
    return json.dumps(document, ensure_ascii=False).encode()[:MANY]


def agents(dice: random.Random) -> Iterator[tuple[str, bytes]]:
    for number, text in enumerate(texts(dice)):
        yield f"{text[:12]!r}*{len(text)}", f"{number}{text}".encode("utf-8", "replace")


PATHS: dict[str, tuple[Callable[[bytes], None], Callable[[random.Random], Iterator[tuple[str, bytes]]]]] = {
    "POST /v1/leads": (lead, json_bodies),
    "POST /f/<source>, JSON": (json_form, json_bodies),
    "POST /f/<source>, url-encoded": (form, form_bodies),
    "POST /f/<source>, multipart": (multipart, multiparts),
    "POST /v1/batch": (batch, batches),
    "POST /v1/events": (cloud_event, envelopes),
    "POST /v1/events, a batch": (cloud_events, lists_of_envelopes),
    **{f"POST /hooks/<{kind}>": (hook(kind), hook_bodies(kind)) for kind in sorted(SENDERS)},
    "User-Agent": (agent, agents),
}


def cost(run: Callable[[bytes], None], what: str, body: bytes) -> Cost:
    """The first run of a body that was never seen: what is remembered helps nobody who varies it."""
    began = time.process_time()
    _quietly(run, body)
    ms = (time.process_time() - began) * 1000
    return Cost(ms, 0.0, len(body), what)


def memory(run: Callable[[bytes], None], body: bytes) -> float:
    tracemalloc.start()
    _quietly(run, body)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak / max(len(body), 4096)


def _quietly(run: Callable[[bytes], None], body: bytes) -> None:
    try:
        run(body)
    except (Problem, Refused):
        return


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--seconds", type=float, default=60.0)
    arguments.add_argument("--seed", type=int, default=1)
    told = arguments.parse_args()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)  # as the services do
    for path, (run, bodies) in PATHS.items():
        dice, found, largest = random.Random(told.seed), list[Cost](), list[Cost]()
        end = time.monotonic() + told.seconds / len(PATHS)
        _quietly(run, b"{}")  # what is made once
        for what, body in bodies(dice):
            if time.monotonic() > end:
                break
            found.append(cost(run, what, body))
            if dice.random() < 0.1 or " of " in what:
                largest.append(found[-1]._replace(memory=memory(run, body)))
        print(f"{path}: {len(found)} bodies")
        for each in sorted(found, reverse=True)[:4]:
            print(f"  {each.ms:8.1f} ms  {each.size:7} bytes  {each.what}")
        for each in sorted(largest, key=lambda one: one.memory, reverse=True)[:2]:
            print(f"  {each.memory:8.1f} * its size  {each.size:7} bytes  {each.what}")


if __name__ == "__main__":
    main()
