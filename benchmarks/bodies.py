"""Strategies of what a stranger may send: bodies of pieces that parsers dislike, in every field that is read."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from hypothesis import strategies as st

ONE, MANY = 32_768, 512_000  # the largest body of one event, and of a batch
_RECORDED = Path(__file__).parents[1] / "tests" / "unit" / "ingest" / "hooks"
PIECES = (
    " ", "a", "0", "+", "@", ".", "-", "(", "/", "%", "&", "é", "ß", "İ", "ﷺ", "́", "٣", "\uff11", "ł",
    "xn--", "a.", "a@", "a-", "1 ",
    "+1", "+44 ", "0x", "😀", "�", "a b", "\u200b", "'", '"', "\\", "a;", "a/", "[", "]", "[a]", "utm_source=",
    "gclid&", "?", "#", "=",
    "https://", "ﬃ", "a1.", "(a) ", "Z", "T", "2026-", "1e", "9", ";q=", "\t", "\u3000", "aa ", "x@x",
    "\u202e", "·", "_", "\r\n", "{{", "<b>", "\x1b[31m", "www.", "。",
)  # fmt: skip
FIELDS = (
    "email", "phone", "name", "company", "message", "page", "referrer", "user_id", "anonymous_id", "country", "consent",
    "occurred_at", "message_id", "form", "interest", "estimated_value", "campaign", "traits", "utm_source",
    "_redirect", "x", "first_name", "time_zone", "locale", "website", "budget", "_gotcha", "agent", "client_id",
)  # fmt: skip
_ELEMENTS = (
    "{}", "[]", '""', "0", "[[]]", '{"":{}}', "null", "1e9", '"ab"', '"\\u0061"', "-0.0", "true", '{"a":1,"a":2}',
    '{"type":"page"}', '{"email":"a@b.co"}',
)  # fmt: skip


class Body(NamedTuple):
    """What is sent, and how to call it."""

    what: str
    content: bytes


Bodies = st.SearchStrategy[Body]


def _text(one: str, other: str, end: str, length: int) -> str:
    """Half of it the one piece, half the pair, and another end: where a match fails late."""
    return ((one * length)[: length // 2] + ((one + other) * length))[:length] + end


pieces = st.sampled_from(PIECES)
lengths = st.sampled_from((0, 3, 40, 300, 500, 2000, 9000, 30_000)) | st.integers(1, 30_000)
texts = st.builds(_text, pieces, pieces, pieces, lengths) | st.text(max_size=60)
short_texts = st.builds(_text, pieces, pieces, pieces, st.integers(1, 600))
fields = st.sampled_from(FIELDS)
_elements = st.sampled_from(_ELEMENTS)


def _named(name: str, text: str) -> str:
    return f"{name}={text[:12]!r}*{len(text)}"


def _json(told: Any, size: int = ONE) -> bytes:
    return json.dumps(told, ensure_ascii=False).encode("utf-8", "surrogatepass")[:size]


def _of_fields(told: dict[str, str]) -> Body:
    return Body(" ".join(_named(*each) for each in told.items()), _json({"email": "a@example.com"} | told))


def _list_in(name: str, element: str) -> Body:
    many = ",".join([element] * (ONE // (len(element) + 1) - 20))
    return Body(f"{name} of {element}", f'{{"email":"a@example.com","{name}":{{"a":[{many}]}}}}'.encode())


def _deep(pair: tuple[str, str], levels: int) -> Body:
    opening, closing = pair
    return Body(f"{levels} deep {opening}", (opening * levels + "1" + closing * levels).encode())


_deeps = st.builds(_deep, st.sampled_from((('{"a":', "}"), ("[", "]"), ('{"traits":', "}"))), st.integers(1, 5000))
json_bodies: Bodies = st.one_of(
    st.dictionaries(fields, texts, min_size=1, max_size=4).map(_of_fields),
    st.builds(_list_in, fields, _elements),
    _deeps,
    st.builds(
        lambda name, count: Body(f"{count} fields {name!r}", _json({f"{name}{n}": "" for n in range(count)})),
        pieces,
        st.integers(1, 4000),
    ),
    st.builds(lambda number: Body("digits", f'{{"email":"a@b.co","phone":{number}}}'.encode()), st.integers()),
)


def _url_encoded(told: list[tuple[str, str]], *, safe: str) -> Body:
    body = "&".join(f"{quote(name, safe=safe)}={quote(text, safe=safe)}" for name, text in told)
    what = " ".join(_named(*each) for each in told[:3])
    return Body(what, f"email=a@example.com&{body}"[: 2 * ONE].encode("utf-8", "replace"))


form_bodies: Bodies = st.one_of(
    st.builds(partial(_url_encoded, safe=""), st.lists(st.tuples(fields | short_texts, texts), min_size=1, max_size=4)),
    st.builds(
        lambda name, count: _url_encoded([(f"{name * 30}{n}", "1") for n in range(count)], safe=""),
        pieces,
        st.integers(1, 2000),
    ),
    st.builds(
        lambda raw, count: Body(f"{raw} again and again", (raw * count)[:ONE].encode()),
        st.sampled_from(("&", "a=", "a=%41", "%", "%E9", "=", "a[]=1&", "a[b][c]=1&", "+", ";")),
        st.integers(1, ONE),
    ),
)
_PART = b'--x\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n'
multiparts: Bodies = st.one_of(
    st.builds(
        lambda name, text: Body(
            _named(name[:9], text),
            (_PART % (name.encode("utf-8", "replace")[:190], text.encode("utf-8", "replace")) + b"--x--\r\n")[
                : 2 * ONE
            ],
        ),
        fields | short_texts,
        texts,
    ),
    st.builds(lambda count: Body(f"{count} parts", (_PART % (b"a", b"") * count)[: 2 * ONE]), st.integers(1, 1500)),
    st.builds(
        lambda raw, count: Body(f"{raw!r} in a value", (_PART % (b"message", raw * count))[: 2 * ONE]),
        st.sampled_from((b"\r\n--", b"\r\n--x", b"\r\n", b"--x--")),
        st.integers(1, 16_000),
    ),
    st.builds(
        lambda raw, count: Body(f"headers {raw!r}", (b"--x\r\n" + raw * count)[: 2 * ONE]),
        st.sampled_from((b"a:b\r\n", b'Content-Disposition: form-data; name="', b'\\"', b";a=", b"a")),
        st.integers(1, 16_000),
    ),
)


def _batch(kind: str, one: dict[str, str], traits: dict[str, str], context: dict[str, str]) -> Body:
    """As many messages as are taken, each with another beginning of the same texts."""

    def message(number: int) -> dict[str, Any]:
        told: dict[str, Any] = {"type": kind, "event": "Signed Up", "anonymousId": f"d{number}"}
        told |= {name: f"{number}{text}" for name, text in one.items()}
        if traits:
            told["traits" if kind in ("identify", "group") else "properties"] = {
                name: f"{number}{text}" for name, text in traits.items()
            }
        if context:
            told["context"] = {name: f"{number}{text}" for name, text in context.items()}
        return told

    size = len(_json(message(0), MANY)) + 2
    messages = [message(number) for number in range(min(2500, (MANY - 100) // size))]
    what = " ".join(_named(*each) for each in (*one.items(), *traits.items(), *context.items()))
    return Body(f"{len(messages)} {kind} {what}", _json({"batch": messages}, MANY))


def _message(kind: str, inner: Body) -> Body:
    try:
        told = json.loads(inner.content)
    except ValueError:
        return inner
    said = {"type": kind, "event": "Signed Up", "anonymousId": "d", "properties": told, "traits": told, "context": told}
    return Body(f"{kind} {inner.what}", _json(said))


messages: Bodies = st.builds(
    _message, st.sampled_from(("track", "identify", "group")), json_bodies.filter(lambda body: "deep" not in body.what)
)


def _many(around: str, element: str) -> Body:
    """A list of as many elements as a batch has room for."""
    many = ",".join([element] * ((MANY - 100) // (len(element) + 1)))
    return Body(around.replace("LIST", element), around.replace("LIST", f"[{many}]").encode())


batches: Bodies = st.one_of(
    st.builds(
        _batch,
        st.sampled_from(("page", "track", "identify", "group", "alias", "screen")),
        st.dictionaries(
            st.sampled_from(("userId", "event", "messageId", "timestamp", "previousId")), short_texts, max_size=2
        ),
        st.dictionaries(fields, short_texts, max_size=2),
        st.dictionaries(st.sampled_from(("userAgent", "locale", "timezone", "ip", "x")), short_texts, max_size=1),
    ),
    st.builds(
        _many, st.sampled_from(('{"batch":LIST}', '{"batch":{"a":LIST}}', '{"batch":1,"writeKey":LIST}')), _elements
    ),
)


def _envelope(kind: str, inner: Body) -> Body:
    try:
        data = json.loads(inner.content)
    except ValueError:
        data = inner.content.decode("utf-8", "replace")
    said = {"identity": {"email": "a@example.com"}, "kind": "a", "order_id": "o", "amount": "1"}
    data = said | data if isinstance(data, dict) else data
    event = {"specversion": "1.0", "id": "1", "source": "/s", "type": kind, "data": data}
    return Body(f"{kind} {inner.what}", _json(event))


_KINDS = ("lead.captured", "engagement.recorded", "purchase.completed", "consent.changed", "contact.identified")
envelopes: Bodies = st.builds(
    _envelope, st.sampled_from(_KINDS), json_bodies.filter(lambda body: "deep" not in body.what)
)


def _envelope_list(kind: str, told: dict[str, str]) -> Body:
    event = {
        "specversion": "1.0",
        "source": "/s",
        "type": kind,
        "data": {"identity": {"email": "a@example.com"}, **told},
    }
    size = len(_json(event, MANY)) + 20
    some = [event | {"id": str(number)} for number in range(min(2500, MANY // size))]
    return Body(f"{len(some)} of {' '.join(_named(*each) for each in told.items())}", _json(some, MANY))


lists_of_envelopes: Bodies = st.one_of(
    st.builds(_envelope_list, st.sampled_from(_KINDS), st.dictionaries(fields, short_texts, max_size=2)),
    st.builds(_many, st.just("LIST"), _elements),
)
agents: Bodies = texts.map(lambda text: Body(_named("agent", text), text.encode("utf-8", "replace")))


def hook_bodies(kind: str) -> Bodies:
    """The documented bodies with one of their texts replaced, or grown to what is read at most."""
    known = [json.loads(path.read_bytes()) for path in sorted((_RECORDED / kind).glob("*.json"))]
    documents = known or [{"id": "1", "who": "a@example.com", "x": {"a": "b"}}]
    places = [(document, way) for document in documents for way in _places(document)]

    def replaced(place: tuple[Any, tuple[Any, ...]], text: str) -> Body:
        return Body(_named("/".join(map(str, place[1])), text), _with(*place, lambda _: text))

    def grown(place: tuple[Any, tuple[Any, ...]]) -> Body:
        many = partial(_again, size=len(json.dumps(place[0])))
        return Body(f"{'/'.join(map(str, place[1]))} again and again", _with(*place, many))

    chosen = st.sampled_from(places)
    return st.builds(replaced, chosen, texts) | chosen.map(grown)


def _again(value: Any, size: int) -> Any:
    one = len(json.dumps(value)) + 2
    return (value if isinstance(value, list) else [value]) * max(1, (MANY - size) // one)


def _places(value: Any, way: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [*([way] if way else []), *(each for step, inner in steps for each in _places(inner, (*way, step)))]


def _with(whole: Any, way: tuple[Any, ...], made: Callable[[Any], Any]) -> bytes:
    document = above = json.loads(json.dumps(whole))
    for step in way[:-1]:
        above = above[step]
    above[way[-1]] = made(above[way[-1]])
    return _json(document, MANY)
