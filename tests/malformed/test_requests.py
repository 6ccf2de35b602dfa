"""Every malformed request is refused with a reason that repeats no value, and ingest goes on."""

import pytest

from tests.malformed import json_bodies, plain_fields
from tests.malformed.case import MARKER, Case
from tests.malformed.target import Answer, Target

pytestmark = pytest.mark.xdist_group("malformed")
CASES = [*json_bodies.cases(), *plain_fields.cases()]


def test_there_are_many_and_each_has_a_name_of_its_own() -> None:
    assert len({case.name for case in CASES}) == len(CASES)
    assert len(CASES) > 300


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_it_is_refused_with_a_reason(target: Target, case: Case) -> None:
    logged = target.log_size()
    answer = target.request(case.method, case.path, case.content(), dict(case.headers), case.key)
    assert answer.status in case.statuses, answer
    if answer.status >= 400:
        is_a_problem(answer)
        named = {error["at"] for error in answer.json.get("errors", [])}
        assert set(case.at) <= named, answer.body
    repeats_nothing(answer)
    assert target.takes_a_good_lead()
    log = target.log(logged)
    assert MARKER not in log
    assert "request_failed" not in log, log


def is_a_problem(answer: Answer) -> None:
    """RFC 9457, with the fields named when they are what is wrong."""
    if answer.headers.get("content-length") == "0" and not answer.body:
        return  # to a HEAD
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
