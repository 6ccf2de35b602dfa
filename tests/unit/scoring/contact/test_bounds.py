"""Whatever is said of a contact, and however often: it keeps the newest and the trusted, and its update stays small."""

from typing import Any
from uuid import uuid4

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw

from services.scoring.consume.batch import Batch
from services.scoring.domain.contact.bounds import CONSENTS, LONGEST_TEXT, TRAITS, bounded
from services.scoring.domain.contact.contact import ContactState, Word, encode_state
from services.scoring.domain.contact.view import view
from shared.events.envelope import Decoded, encode
from shared.events.identity import Identity
from shared.events.types import ConsentChanged
from shared.events.updates import Update, Values, encode_update
from shared.kafka.topics import LARGEST_EVENT, MAX_MESSAGE_BYTES
from tests.unit.scoring.builders import MODEL, NOW, a_lead, an_event, an_id, an_identification, minutes

_ROOM = MAX_MESSAGE_BYTES - LARGEST_EVENT - 4096


def traits(state: ContactState) -> dict[str, Any]:
    return view(state, MODEL).traits


def folded(*events: Decoded) -> Batch:
    batch = Batch(MODEL, NOW, {}, {}, uuid4)
    for each in events:
        batch.fold(each)
    return batch


def test_thirty_five_leads_of_thirty_kilobytes_leave_a_small_contact_that_can_still_buy_and_refuse() -> None:
    batch = Batch(MODEL, NOW, {}, {}, uuid4)
    fallen = 0
    for n in range(35):
        many = {f"t{n}-{i}": "x" * 280 for i in range(100)}
        one = batch.fold(a_lead(traits=many, trust="public", event=n, at=NOW + minutes(n)))
        fallen += one.fallen
    assert len(encode_state(one.state)) < 20_000
    assert len(traits(one.state)) + fallen == 3500
    assert {name.partition("-")[0] for name in traits(one.state)} == {"t34"}, "the newest stay"
    refused = batch.fold(
        an_event(ConsentChanged(identity=Identity(email="ada@example.com"), channel="email", given=False))
    )
    assert view(refused.state, MODEL).consent["email"] is False


def test_what_a_trusted_sender_said_is_pushed_out_by_no_stranger() -> None:
    batch = folded(an_identification(traits={f"crm{n}": "x" for n in range(60)}))
    for n in range(5):
        state = batch.fold(
            a_lead(traits={f"s{n}-{i}": "y" * 20 for i in range(90)}, trust="public", event=n, at=NOW + minutes(9))
        ).state
    kept = traits(state)
    assert len(kept) == TRAITS.most
    assert {f"crm{n}" for n in range(60)} <= kept.keys()


def test_a_value_too_large_for_any_contact_falls_out_alone() -> None:
    known = {"trait:small": Word(1.0, "x"), "trait:huge": Word(2.0, ["y" * 1000] * 20), "name": Word(0.0, "Ada")}
    assert bounded(known) == ({name: known[name] for name in ("trait:small", "name")}, 1)


def test_a_no_is_pushed_out_by_no_yes() -> None:
    batch = Batch(MODEL, NOW, {}, {}, uuid4)
    for n in range(120):
        data = ConsentChanged(
            identity=Identity(email="ada@example.com"), channel="email", purpose=f"p{n}", given=bool(n)
        )
        state = batch.fold(an_event(data, at=NOW + minutes(n))).state
    consent = view(state, MODEL).consent
    assert len(consent) == CONSENTS.most
    assert consent["email:p0"] is False


@given(st.permutations([(f"trait:t{n}", Word(float(n % 30), n, n % 3 == 0)) for n in range(TRAITS.most + 30)]))
@settings(max_examples=20)
def test_which_traits_stay_does_not_depend_on_the_order(words: list[tuple[str, Word]]) -> None:
    known: dict[str, Word] = {}
    for name, word in words:
        known, _ = bounded({**known, name: word})
    assert known == bounded(dict(words))[0]


_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.text(max_size=60)
    | st.sampled_from(["\x01" * 500]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=20), inner, max_size=4),
    max_leaves=8,
)
_LONG = st.sampled_from(["", "Ada", "\x01" * 3000, "\U0001f600" * 600])
_EVENTS = st.one_of(
    st.builds(
        a_lead,
        traits=st.dictionaries(st.text(max_size=100), _VALUES, max_size=12)
        | st.integers(50, 300).map(lambda n: {f"{n}-{i}" * 3: "\x02" * n for i in range(n)}),
        name=_LONG, interest=_LONG, trust=st.sampled_from(["trusted", "public"]),
        phone=st.integers(0, 10**9).map("+44{}".format), at=st.integers(0, 500).map(lambda n: NOW + minutes(n)),
    ),
    st.builds(
        lambda channel, purpose, given: an_event(
            ConsentChanged(identity=Identity(email="ada@example.com"), channel=channel, purpose=purpose, given=given)
        ),
        st.text(max_size=300), st.none() | st.text(max_size=300), st.booleans(),
    ),
)  # fmt: skip


@given(st.lists(_EVENTS, min_size=1, max_size=12))
@settings(max_examples=40)
def test_an_update_fits_whatever_came_before(events: list[Decoded]) -> None:
    batch = Batch(MODEL, NOW, {}, {}, uuid4)
    for n, (named, data) in enumerate(events):
        event = msgspec.structs.replace(named, id=an_id(n))
        one = batch.fold(Decoded(event, data))
        raw = encode(event)
        update = Update(
            contact=view(one.state, MODEL), before=one.before, after=Values(one.state.lead, one.state.customer),
            bookings=one.bookings, event=Raw(raw), merged=list(one.absorbed), consents=list(one.consents),
        )  # fmt: skip
        sent = encode_update(update, event_id=event.id, time=NOW, traceparent=None)
        assert len(sent) - len(raw) < _ROOM
        assert len(encode_state(one.state)) < 2 * _ROOM
        assert len(view(one.state, MODEL).name or "") <= LONGEST_TEXT
