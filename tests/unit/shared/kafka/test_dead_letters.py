"""What is kept of a record that can never work: its bytes, where it was, why, and how often it has failed."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from shared.errors import Permanent
from shared.kafka.dead_letters import ATTEMPT, FIRST_FAILED, again, as_message, as_row, dead_letter
from shared.kafka.records import DeadLetter, Headers, Record

NOW = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
EARLIER = NOW - timedelta(days=3)


def a_record(headers: Headers = ()) -> Record:
    return Record("events", 3, 17, b"key", b"\xff value", 0, headers)


def test_the_first_failure_is_attempt_one_of_now() -> None:
    row = as_row(DeadLetter(a_record(), "Permanent", "no"), "website", NOW)
    assert (row.attempt, row.failed_at, row.first_failed_at) == (1, NOW, NOW)
    assert (row.topic, row.partition, row.offset, row.key, row.value) == ("events", 3, 17, b"key", b"\xff value")
    assert (row.kind, row.error_class, row.reason, row.source) == ("permanent", "Permanent", "no", "website")


def test_one_that_was_sent_again_and_fails_again_counts_on() -> None:
    redriven = a_record(again(4, EARLIER))
    row = as_row(DeadLetter(redriven, "Permanent", "no"), "website", NOW)
    assert (row.attempt, row.failed_at, row.first_failed_at) == (5, NOW, EARLIER)


@pytest.mark.parametrize(
    "headers",
    [
        ((ATTEMPT, b"often"), (FIRST_FAILED, b"long ago")),
        ((ATTEMPT, b"-1"), (FIRST_FAILED, b"2026-03-01T10:00:00")),  # in no time zone
        ((ATTEMPT, b"123456"), (FIRST_FAILED, b"")),
        ((ATTEMPT, b""),),
    ],
)
def test_headers_that_nobody_of_us_wrote_count_for_nothing(headers: Headers) -> None:
    row = as_row(DeadLetter(a_record(headers), "Permanent", "no"), "website", NOW)
    assert (row.attempt, row.first_failed_at) == (1, NOW)


def test_as_many_attempts_as_five_digits_are_believed() -> None:
    row = as_row(DeadLetter(a_record(again(99_999, EARLIER)), "Permanent", "no"), "website", NOW)
    assert row.attempt == 100_000


def test_what_was_raised_on_purpose_is_quoted_and_of_anything_else_only_its_place() -> None:
    foreseen = dead_letter(a_record(), Permanent("/email: is too long"))
    assert (foreseen.kind, foreseen.reason) == ("permanent", "/email: is too long")
    try:
        json.loads("ada@example.com")  # the innermost line is not ours
    except ValueError as error:
        unforeseen = dead_letter(a_record(), error)
    assert (unforeseen.kind, unforeseen.error_class) == ("unforeseen", "JSONDecodeError")
    assert unforeseen.reason.startswith("JSONDecodeError at tests/unit/shared/kafka/test_dead_letters.py:")
    assert dead_letter(a_record(), KeyError("ada@example.com")).reason == "KeyError (no line known)"


def test_nothing_in_it_breaks_a_terminal_or_the_database() -> None:
    row = as_row(DeadLetter(a_record(), "Permanent", "a\x00b\x1b[31mc\nd"), "web\x00site" * 20, NOW)
    assert row.reason == "a b [31mc d"
    assert row.source == ("web site" * 20)[:60]


def test_its_message_has_the_original_bytes_and_says_the_rest_in_headers() -> None:
    row = as_row(DeadLetter(a_record(again(1, EARLIER)), "KeyError", "no", "unforeseen"), "website", NOW)
    message = as_message(row, "dead-letters", "scoring")
    assert (message.topic, message.key, message.value) == ("dead-letters", b"key", b"\xff value")
    assert dict(message.headers) == {
        "origin-topic": b"events",
        "origin-partition": b"3",
        "origin-offset": b"17",
        "consumer": b"scoring",
        "error-kind": b"unforeseen",
        "error-class": b"KeyError",
        "error-message": b"no",
        "source": b"website",
        "attempt": b"2",
        "failed-at": NOW.isoformat().encode(),
        "first-failed-at": EARLIER.isoformat().encode(),
    }
