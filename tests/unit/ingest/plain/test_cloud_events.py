import base64
import json
from typing import Any

import pytest

from services.ingest.domain.cloud_events import from_headers, is_json, read_cloud_event
from services.ingest.domain.fact import Fact, Refused
from shared.events.identity import Identity

PURCHASE = {"identity": {"email": "Ada@Example.com"}, "order_id": "7", "amount": "12.00", "currency": "EUR"}


def read(**changes: Any) -> Fact:
    event = {
        "specversion": "1.0",
        "id": "1",
        "source": "/erp",
        "type": "purchase.completed",
        "data": PURCHASE,
    } | changes
    return read_cloud_event({name: value for name, value in event.items() if value is not None})


def refused(**changes: Any) -> dict[str, str]:
    with pytest.raises(Refused) as caught:
        read(**changes)
    return dict(caught.value.wrong)


def as_base64(value: object) -> str:
    return base64.b64encode(json.dumps(value).encode()).decode()


def test_an_extension_is_ignored_and_not_refused() -> None:
    fact = read(partitionkey="x", sampledrate=5, subject="a", dataschema="https://example.com/s", myflag=True)
    assert (fact.type, fact.identity.email, fact.sender_id) == ("purchase.completed", "ada@example.com", "/erp\n1")


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "application/json; charset=utf-8",
        "text/json",
        "application/vnd.shop.order-2+json",
        "APPLICATION/JSON",
    ],
)
def test_data_is_json_under_any_of_its_names(content_type: str) -> None:
    assert is_json(content_type)
    assert read(datacontenttype=content_type).type == "purchase.completed"


@pytest.mark.parametrize("content_type", ["application/xml", "text/plain", "application/jsonp", "json", ""])
def test_data_of_another_type_is_refused_by_name(content_type: str) -> None:
    assert not is_json(content_type)
    if content_type:
        assert refused(datacontenttype=content_type).keys() == {"/datacontenttype"}


def test_data_may_come_as_base64_of_json() -> None:
    assert read(data=None, data_base64=as_base64(PURCHASE)).data == read().data
    assert refused(data=None, data_base64=as_base64([1])).keys() == {"/data_base64"}
    assert refused(data=None, data_base64="!!").keys() == {"/data_base64"}
    assert refused(data=None, data_base64=base64.b64encode(b"\xff{").decode()).keys() == {"/data_base64"}
    assert refused(data_base64=as_base64(PURCHASE)) == {"/data_base64": "must not come beside data"}
    assert refused(data=None).keys() == {"/data"}


def test_headers_are_percent_encoded_and_may_be_quoted() -> None:
    headers = {
        b"ce-specversion": b"1.0",
        b"ce-id": b"Euro%20%E2%82%AC%20%F0%9F%98%80",
        b"ce-source": b'"/erp/\\"a\\" b"',
        b"ce-type": b"purchase.completed",
        b"ce-datacontenttype": b"text/plain",
        b"content-type": b"application/json",
    }
    event = from_headers(headers, PURCHASE)
    assert (event["id"], event["source"], event["data"]) == ("Euro € 😀", '/erp/"a" b', PURCHASE)
    assert read_cloud_event(event).sender_id == '/erp/"a" b\nEuro € 😀'
    with pytest.raises(Refused) as caught:
        from_headers({b"ce-id": b"%ff", b"ce-source": b"\xff"}, {})
    assert {each.at for each in caught.value.wrong} == {"/id", "/source"}


def test_a_value_is_never_repeated() -> None:
    touched = {"identity": {"email": "a@example.com"}, "who": "ana", "channel": "phone", "outcome": "secret-word"}
    wrong = refused(type="contact.touched", data=touched)
    assert wrong.keys() == {"/data/outcome"}
    assert "secret" not in wrong["/data/outcome"]


@pytest.mark.parametrize(
    ("change", "at"),
    [
        ({"order_id": " "}, "/data/order_id"),
        ({"margin": "much"}, "/data/margin"),
        ({"items": [{"price": "1"}, {"price": "x"}]}, "/data/items/1/price"),
        ({"items": [{"margin": "1"}, {"margin": "x"}]}, "/data/items/1/margin"),
        ({"items": [{"quantity": 0}]}, "/data/items/0/quantity"),
        ({"items": [{}] * 501}, "/data"),
        ({"human_likelihood": 2}, "/data/human_likelihood"),
    ],
)
def test_what_would_trouble_others_later_is_refused(change: dict[str, Any], at: str) -> None:
    assert refused(data=PURCHASE | change).keys() == {at}


def test_an_order_of_many_lines_is_taken_whole() -> None:
    lines = [{"sku": f"s-{n}", "name": "x", "price": "1.00", "quantity": 1} for n in range(300)]
    data: Any = read(data=PURCHASE | {"items": lines}).data
    assert len(data.items) == 300


def test_a_period_has_a_zone() -> None:
    cost = {"amount": "5", "currency": "EUR", "source": "website", "period_start": "2026-01-01T00:00:00"}
    assert refused(type="cost.recorded", data=cost).keys() == {"/data/period_start"}
    assert read(type="cost.recorded", data=cost | {"period_start": "2026-01-01T00:00:00Z"}).type == "cost.recorded"


def test_an_identity_that_stands_for_nothing_is_absent() -> None:
    data = PURCHASE | {"identity": {"email": "none@none.com", "phone": "+44 7700 900201", "user_id": "undefined"}}
    assert read(data=data).identity == Identity(phone="+447700900201")
    assert refused(data=PURCHASE | {"identity": {"email": "none@none.com"}}).keys() == {"/data/identity"}
