from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from services.ingest.domain.segment.messages import TYPES, read_segment
from services.ingest.domain.segment.names import TRUSTED_ONLY
from tests.unit.ingest.any_json import CALM, NOW, goes_on, outcome
from tests.unit.ingest.nearly_right import EVENTS, MESSAGES, PROPERTIES


@CALM
@given(message=MESSAGES, kind=st.sampled_from(TYPES), public=st.booleans())
def test_any_json_is_an_event_or_refused(message: Any, kind: str, *, public: bool) -> None:
    fact, wrong = outcome(lambda: read_segment(message, kind, at="/batch/3", now=NOW, public=public))
    assert (fact is None) == bool(wrong)
    assert all(each.at.startswith("/batch/3/") for each in wrong)
    if fact is not None:
        assert not (public and fact.type in TRUSTED_ONLY)
        goes_on(fact)


@CALM
@given(event=EVENTS, properties=PROPERTIES)
def test_any_properties_of_a_known_name_are_an_event_or_refused(event: str, properties: Any) -> None:
    message = {"userId": "u-1", "event": event, "properties": properties}
    fact, wrong = outcome(lambda: read_segment(message, "track", now=NOW))
    assert (fact is None) == bool(wrong)
    if fact is not None:
        goes_on(fact)
