from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from services.ingest.domain.cloud_events import from_headers, read_cloud_event
from shared.events.types import DATA_TYPES, OURS
from tests.unit.ingest.any_json import CALM, TEXTS, TIMES, goes_on, having, outcome
from tests.unit.ingest.nearly_right import DATA, TYPED


def judge(event: Any) -> None:
    fact, wrong = outcome(lambda: read_cloud_event(event, "/7"))
    assert (fact is None) == bool(wrong)
    assert all(each.at.startswith("/7/") for each in wrong)
    if fact is not None:
        assert fact.type not in OURS
        goes_on(fact)


def test_every_type_that_is_taken_is_drawn() -> None:
    assert DATA.keys() == DATA_TYPES.keys() - OURS


@CALM
@given(typed=TYPED, data=st.data())
def test_any_json_is_an_event_or_refused(typed: tuple[str, Any], data: st.DataObject) -> None:
    kind, content = typed
    event = having(
        specversion=st.just("1.0"), id=st.just("i-1"), source=st.just("/erp"), type=st.just(kind), time=TIMES,
        data=st.just(content), datacontenttype=st.just("application/json"), traceparent=TEXTS, subject=TEXTS,
    )  # fmt: skip
    judge(data.draw(event))


@CALM
@given(typed=TYPED)
def test_any_data_of_a_known_type_is_an_event_or_refused(typed: tuple[str, Any]) -> None:
    kind, content = typed
    judge({"specversion": "1.0", "id": "1", "source": "/erp", "type": kind, "data": content})


@CALM
@given(text=TEXTS | st.binary().map(lambda data: data.hex()))
def test_any_base64_is_an_event_or_refused(text: str) -> None:
    judge({"specversion": "1.0", "id": "1", "source": "/erp", "type": "referral.made", "data_base64": text})


@CALM
@given(
    headers=st.dictionaries(st.sampled_from([b"ce-id", b"ce-type", b"ce-time", b"x"]), st.binary(max_size=20)),
    typed=TYPED,
)
def test_any_headers_are_an_event_or_refused(headers: dict[bytes, bytes], typed: tuple[str, Any]) -> None:
    kind, content = typed
    given = {b"ce-specversion": b"1.0", b"ce-source": b"/erp", b"ce-id": b"1", b"ce-type": kind.encode(), **headers}
    fact, wrong = outcome(lambda: read_cloud_event(from_headers(given, content)))
    assert (fact is None) == bool(wrong)
    if fact is not None:
        goes_on(fact)
