"""Every malformed request is refused with a reason that repeats no value, and ingest goes on."""

from collections import Counter

import pytest

from tests.malformed import (
    at_the_door,
    cloud_event_fields,
    encodings,
    forms,
    json_bodies,
    plain_fields,
    segment_fields,
)
from tests.malformed.case import MARKER, Case
from tests.malformed.target import Answer, Target

pytestmark = pytest.mark.xdist_group("malformed")
_TABLES = (json_bodies, plain_fields, segment_fields, cloud_event_fields, forms, encodings, at_the_door)
CASES = [case for table in _TABLES for case in table.cases()]


def test_there_are_many_and_each_has_a_name_of_its_own() -> None:
    twice = [name for name, count in Counter(case.name for case in CASES).items() if count > 1]
    assert twice == []
    assert len([case for case in CASES if min(case.statuses) >= 400]) > 300, "malformed bodies"
    assert max(status for case in CASES for status in case.statuses) < 500


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_it_is_refused_with_a_reason(target: Target, case: Case) -> None:
    logged = target.log_size()
    answer = target.request(case.method, case.path, case.content(), dict(case.headers), case.key)
    assert answer.status in case.statuses, answer
    if answer.status >= 400 and case.method != "HEAD":
        is_a_problem(answer)
        names_the_fields(answer, case.at)
    repeats_nothing(answer)
    assert target.takes_a_good_lead()
    log = target.log(logged)
    assert MARKER not in log
    assert "request_failed" not in log, log


def is_a_problem(answer: Answer) -> None:
    """RFC 9457, with the fields named when they are what is wrong."""
    assert answer.headers["content-type"] == "application/problem+json", answer
    assert answer.json["status"] == answer.status
    assert answer.json["title"]
    assert len(answer.body) < 100_000, "an answer is not longer than what was sent"
    if answer.status == 422:
        assert answer.json["errors"], answer.body
        assert all(error["at"].startswith("/") and error["problem"] for error in answer.json["errors"])


def repeats_nothing(answer: Answer) -> None:
    headers = {name: value for name, value in answer.headers.items() if name != "access-control-allow-origin"}
    assert MARKER.encode() not in answer.body, answer.body
    assert MARKER not in str(headers)


def names_the_fields(answer: Answer, expected: tuple[str, ...]) -> None:
    """Each of them, or what is wrong inside it."""
    named = [error["at"] for error in answer.json.get("errors", [])]
    for at in expected:
        assert any(one == at or one.startswith((f"{at}/", f"{at}[")) for one in named), (at, answer.body)


@pytest.mark.parametrize(
    "body",
    [f"your-email={MARKER}", f"%3Cscript%3E={MARKER}", f"your-email=%3Cscript%3E{MARKER}", f"{MARKER}", "%ff=1", "&&&"],
)
def test_a_person_sees_a_page_that_repeats_nothing(target: Target, body: str) -> None:
    answer = target.request("POST", "/f/website", body.encode(), {"Content-Type": "application/x-www-form-urlencoded"})
    assert (answer.status, answer.headers["content-type"]) == (422, "text/html; charset=utf-8")
    repeats_nothing(answer)
    assert b"<script" not in answer.body


def test_a_field_named_by_an_address_is_named_to_its_sender_but_not_in_the_log(target: Target) -> None:
    logged = target.log_size()
    answer = target.post("/v1/leads", {"email": "good@example.com", f"{MARKER}@example.com": [1]}, "WEBSITE")
    assert [error["at"] for error in answer.json["errors"]] == [f"/{MARKER}@example.com"]
    assert MARKER not in target.log(logged)
