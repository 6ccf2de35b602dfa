"""A referral names nobody any more, wherever a document holds it; everything else of the document stays."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.events.referrals import naming_nobody

ONE, OTHER = "01890a5d-ac96-774b-bcce-b302099a8057", "01890a5d-ac96-774b-bcce-b302099a8058"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inside: (
        st.lists(inside, max_size=3) | st.dictionaries(st.sampled_from(("id", "data", "a")), inside, max_size=3)
    ),
    max_leaves=10,
)


def a_referral(event: str = ONE) -> dict[str, Any]:
    return {"id": event, "data": {"identity": {"email": "ben@example.com"}, "referred": {"email": "ada@example.com"}}}


@pytest.mark.parametrize("within", [lambda e: e, lambda e: {"event": e}, lambda e: {"a": [{"trigger": e}, 1.5]}])
def test_only_the_referral_that_is_meant_loses_its_name(within: Any) -> None:
    document = msgspec.json.encode(within(a_referral()))
    after = msgspec.json.decode(naming_nobody(document, [ONE]))
    expected = a_referral()
    expected["data"]["referred"] = {}
    assert after == within(expected)
    assert naming_nobody(document, [OTHER]) is document


@given(JSON)
def test_what_holds_no_referral_keeps_its_bytes(said: Any) -> None:
    document = msgspec.json.encode([said, {"id": ONE, "data": {"identity": {}}}])
    assert naming_nobody(document, [ONE]) == document
