from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.http.cursor import encode_cursor, moment, number, read_cursor, row_id
from shared.http.problems import Problem


@given(st.datetimes(timezones=st.just(UTC)), st.uuids(), st.integers(0, 9))
def test_a_cursor_says_what_was_put_into_it(at: datetime, row: UUID, line: int) -> None:
    assert read_cursor(encode_cursor(at, row, line), moment, row_id, number(9)) == (at, row, line)


@given(st.text(max_size=50))
def test_any_other_word_is_refused(text: str) -> None:
    with pytest.raises(Problem) as caught:
        read_cursor(text, moment, row_id)
    assert caught.value.status == 400


@pytest.mark.parametrize(
    "values", [(), ("x",), (datetime(2026, 1, 1, tzinfo=UTC), 3), (datetime(2026, 1, 1, tzinfo=UTC), UUID(int=1), 10)]
)
def test_a_cursor_of_another_list_is_refused(values: tuple[datetime | UUID | str | int, ...]) -> None:
    with pytest.raises(Problem):
        read_cursor(encode_cursor(*values), moment, row_id, number(9))
