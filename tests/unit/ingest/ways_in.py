"""Every way in: what somebody may send, and the reader that says what it comes to. Leaning to what is nearly right.

A drawn value reads what was sent when it is called; it raises Refused, or Problem, where ingest would answer so.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from copy import deepcopy
from typing import Any, TypeAlias
from urllib.parse import quote

from hypothesis import strategies as st

from services.ingest.domain.cloud_events import read_cloud_event
from services.ingest.domain.fact import Fact
from services.ingest.domain.forms.body import parse_form, parse_multipart
from services.ingest.domain.forms.names import STAMP
from services.ingest.domain.forms.read import caught, read_form
from services.ingest.domain.hooks.generic import Rule
from services.ingest.domain.hooks.hook import Incoming, ToFetch
from services.ingest.domain.hooks.registry import SENDERS
from services.ingest.domain.hooks.senders.meta import read_meta_lead
from services.ingest.domain.likelihood import Visitor, judged
from services.ingest.domain.plain.leads import read_lead, read_purchase
from services.ingest.domain.segment.messages import TYPES, read_segment
from services.ingest.domain.sheets.choices import Kind
from services.ingest.domain.sheets.columns import _TARGETS, LEFT_OUT, Column
from services.ingest.domain.sheets.sheet import Sheet, SheetReader
from services.ingest.http.body import decode_json
from shared.events.types import DATA_TYPES, OURS
from tests.unit.ingest.any_json import ANY, NOW, TEXTS, TIMES, URLS, WORDS
from tests.unit.ingest.hooks.cases import FOLDER
from tests.unit.ingest.nearly_right import FIELDS, LEADS, MESSAGES, PURCHASES, TYPED

Read: TypeAlias = Callable[[], Sequence[Fact]]

_BOUNDARY = "x-boundary"
_SOMEBODY = st.sampled_from([(("E-Mail", "ada@example.com"),), (("telefon", "+44 1632 960961"),), ()])
_TOPICS = {
    "shopify": (
        "x-shopify-topic",
        ("orders/create", "orders/paid", "refunds/create", "customers/create", "customers/update", "checkouts/create",
         "checkouts/update", "customers_email_marketing_consent/update"),
    ),
    "woocommerce": (
        "x-wc-webhook-topic",
        ("order.created", "order.updated", "customer.created", "customer.updated", "order.deleted"),
    ),
}  # fmt: skip
_PERSON = {"email": "ada@example.com", "phone": "+44 1632 960961", "user": "u-1", "device": "d-1"}
_GENERIC: dict[str, Any] = {"id": "evt-1", "at": 1773136521, "who": _PERSON, "n": "12.50", "x": {"a": 1}, "y": ["b"]}
_WHO = {"email": "/who/email", "phone": "/who/phone", "user_id": "/who/user", "anonymous_id": "/who/device"}
_MONEY = {"order_id": "/id", "amount": "/n", "currency": "EUR"}
_RULES: dict[str, dict[str, Any]] = {
    "lead.captured": {"traits.x": "/x", "traits.y": "/y", "company": "/x", "name": "/who", "message": "/n",
                      "estimated_value.amount": "/n", "estimated_value.currency": "EUR", "campaign.source": "/y/0"},
    "contact.identified": {"traits.x": "/x", "traits.company": "/y", "name": "/id"},
    "engagement.recorded": {"kind": "/id", "properties.a": "/x", "properties.b": "/y", "what": "/n"},
    "purchase.completed": {**_MONEY, "coupon": "/x/a", "margin": "/n"},
    "purchase.refunded": _MONEY,
    "contact.touched": {"who": "/who/user", "channel": "/id", "human": True, "note": "/n"},
    "feedback.given": {"score": "/n", "text": "/id"},
    "consent.changed": {"channel": "/id", "given": True, "purpose": "/n", "wording": "/who/user"},
}  # fmt: skip
_CELLS = st.sampled_from(
    [
        "", "ada@example.com", "Grace@Example.com", "+44 1632 960961", "030 12345", "Ada", "12.50", "1.234,56", "-3",
        "€ 5", "1e5", "EUR", "USD", "ZZZ", "paid", "refunded", "yes", "nein", "unsubscribed", "31/12/2025", "12/31/25",
        "46354.75", "2026-01-31 10:00", "0001-01-01", "9999-12-31 23:59", "DE", "o-1", "9" * 40, "x" * 300, "=1+1",
    ]
) | TEXTS  # fmt: skip


def _form(fields: Mapping[str, object], *, came_from: str, robot: bool) -> Sequence[Fact]:
    fact = read_form(fields, {}, name="contact", came_from=came_from, wording="Yes")
    doubtful = Visitor("curl/8", fill_s=0.1, least_fill_s=3, honeypot=robot or caught(fields), forged=STAMP in fields)
    return (judged(fact, doubtful),)


@st.composite
def _url_encoded(draw: st.DrawFn) -> Read:
    charset = draw(st.sampled_from(["utf-8", "windows-1252", "utf-16"]))
    pairs = [*draw(_SOMEBODY), *draw(st.lists(st.tuples(FIELDS, TEXTS | URLS), max_size=8))]
    body = "&".join(f"{_percent(name, charset)}={_percent(value, charset)}" for name, value in pairs).encode()
    body += draw(st.just(b"") | st.binary(max_size=20))
    came_from, robot = draw(URLS | TEXTS), draw(st.booleans())
    declared = draw(st.sampled_from([b"", b"; charset=windows-1252", b"; charset=utf-7"]))
    kind = b"application/x-www-form-urlencoded" + declared
    return lambda: _form(parse_form(body, kind), came_from=came_from, robot=robot)


def _percent(text: str, charset: str) -> str:
    return quote(text.encode(charset, "replace"))


@st.composite
def _multipart(draw: st.DrawFn) -> Read:
    pairs = [*draw(_SOMEBODY), *draw(st.lists(st.tuples(FIELDS, TEXTS | URLS | st.binary(max_size=20)), max_size=8))]
    body = b""
    for name, value in pairs:
        content = value if isinstance(value, bytes) else value.encode()
        plain = name.replace('"', "%22").replace("\r", "").replace("\n", "")
        head = f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="{plain}"\r\n\r\n'
        body += head.encode() + content + b"\r\n"
    body += f"--{_BOUNDARY}--\r\n".encode()
    kind = f"multipart/form-data; boundary={_BOUNDARY}".encode()
    came_from, robot = draw(URLS | TEXTS), draw(st.booleans())
    return lambda: _form(parse_multipart(body, kind), came_from=came_from, robot=robot)


@st.composite
def _json_form(draw: st.DrawFn) -> Read:
    form = dict(draw(_SOMEBODY)) | draw(st.dictionaries(FIELDS, TEXTS | ANY, max_size=8))
    came_from = draw(URLS | TEXTS)
    return lambda: _form(form, came_from=came_from, robot=False)


@st.composite
def _spoilt(draw: st.DrawFn, documents: Sequence[Any]) -> Any:
    """One of the documents with up to three of its parts being anything."""
    document = deepcopy(draw(st.sampled_from(documents)))
    for way in draw(st.lists(st.sampled_from(list(_parts(document))), max_size=3)):
        above = document
        with suppress(LookupError, TypeError):  # what is above may be spoilt already
            for step in way[:-1]:
                above = above[step]
            above[way[-1]] = draw(ANY | TIMES | WORDS)
    return document


def _parts(value: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to each part of a document."""
    if way:
        yield way
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, inner in steps:
        yield from _parts(inner, (*way, step))


def _documents(kind: str) -> list[Any]:
    paths = sorted((FOLDER / kind).glob("*.json"))
    return [json.loads(path.read_bytes()) for path in paths] or [_GENERIC]


def _hook(kind: str) -> st.SearchStrategy[Read]:
    hook = SENDERS[kind]
    header, topics = _TOPICS.get(kind, ("", ("",)))
    rules = [(Rule(name, {}, _WHO | fields | {"occurred_at": "/at"}),) for name, fields in sorted(_RULES.items())]
    events = st.sampled_from(rules) if kind == "generic" else st.just(())

    def reader(document: Any, topic: str, events: tuple[Rule, ...], *, test_mode: bool) -> Read:
        body = json.dumps(document).encode()
        options: dict[str, Any] = {"test_mode": test_mode}
        if events:
            options = {"signature": None, "id": "/id", "events": events}
        incoming = Incoming({header: topic}, body, "https://hooks.example.com/hooks/x", NOW)
        return lambda: hook.read(incoming, decode_json(body), options).facts

    return st.builds(reader, _spoilt(_documents(kind)), st.sampled_from(topics), events, test_mode=st.booleans())


def _graph_answer() -> st.SearchStrategy[Read]:
    """A lead of Meta's, which its webhook only names."""
    lead = ToFetch("1", "2", "3", "4", NOW)
    answer = json.loads((FOLDER / "meta" / "graph_answer.json").read_bytes())
    return _spoilt([answer]).map(lambda said: lambda: (read_meta_lead(said, lead),))


@st.composite
def _rows(draw: st.DrawFn, kind: Kind) -> Read:
    who = draw(st.sampled_from(["email", "phone", "user_id"]))
    targets = [
        *sorted(_TARGETS[kind] - {who}),
        LEFT_OUT,
        *(["traits.a", "traits.b"] if kind == "leads" else []),
    ]
    taken = [who, *draw(st.lists(st.sampled_from(targets), max_size=12, unique=True))]
    if kind == "purchases":
        taken = list(dict.fromkeys([*taken, "order_id", "amount"]))
    sheet = _sheet(draw, kind, tuple(Column(f"column {n}", each) for n, each in enumerate(taken)))
    sure = {"email": "ada@example.com", "phone": "+44 1632 960961", "user_id": "u-1", "order_id": "o-1", "amount": "9"}
    row = [sure[each] if each in sure and draw(st.integers(0, 5)) else draw(_CELLS) for each in taken]
    rows = [row]
    if sheet.grouped is not None and draw(st.booleans()):
        rows.append([draw(_CELLS) for _ in taken])
    reader = SheetReader(sheet, "/sources/import")

    def read() -> Sequence[Fact]:
        fact = reader.from_row(row) if len(rows) == 1 else reader.from_rows(rows)
        return () if fact is None else (fact,)

    return read


@st.composite
def _lines(draw: st.DrawFn, kind: Kind) -> Read:
    """JSON lines: the objects of the API, or with columns of other names."""
    said = draw(LEADS if kind == "leads" else PURCHASES)
    columns = [Column(name, name) for name in said if name in _TARGETS[kind]]
    reader = SheetReader(_sheet(draw, kind, tuple(columns)), "/sources/import")

    def read() -> Sequence[Fact]:
        fact = reader.from_object(said)
        return () if fact is None else (fact,)

    return read


def _sheet(draw: st.DrawFn, kind: Kind, columns: tuple[Column, ...]) -> Sheet:
    return Sheet(
        kind,
        columns,
        dates=draw(st.sampled_from([None, "dmy", "mdy"])),
        decimals=draw(st.sampled_from(["point", "comma"])),
        currency=draw(st.sampled_from([None, "EUR", "CAD"])),
        zone=draw(st.sampled_from(["UTC", "Europe/Berlin", "Pacific/Apia"])),
    )


@st.composite
def _segment(draw: st.DrawFn) -> Read:
    message, kind, public = draw(MESSAGES), draw(st.sampled_from(TYPES)), draw(st.booleans())
    return lambda: (read_segment(message, kind, now=NOW, public=public),)


def _cloud_event() -> st.SearchStrategy[Read]:
    def reader(typed: tuple[str, Any]) -> Read:
        kind, data = typed
        return lambda: (
            read_cloud_event({"specversion": "1.0", "id": "1", "source": "/erp", "type": kind, "data": data}),
        )

    return TYPED.map(reader)


WAYS: Mapping[str, st.SearchStrategy[Read]] = {
    "lead": LEADS.map(lambda said: lambda: (read_lead(said),)),
    "purchase": PURCHASES.map(lambda said: lambda: (read_purchase(said),)),
    "segment": _segment(),
    "cloud-event": _cloud_event(),
    "form-url-encoded": _url_encoded(),
    "form-multipart": _multipart(),
    "form-json": _json_form(),
    **{f"hook-{kind}": _hook(kind) for kind in sorted(SENDERS)},
    "hook-meta-fetched": _graph_answer(),
    "import-leads": _rows("leads"),
    "import-purchases": _rows("purchases"),
    "import-lead-lines": _lines("leads"),
    "import-purchase-lines": _lines("purchases"),
}
GENERIC_TYPES = frozenset(_RULES)
TAKEN = DATA_TYPES.keys() - OURS
