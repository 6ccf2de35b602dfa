from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from services.ingest.domain.forms.names import MOST_FIELDS
from services.ingest.domain.forms.read import read_form
from services.ingest.domain.plain.leads import read_lead, read_purchase
from tests.unit.ingest.any_json import ANY, CALM, TEXTS, URLS, goes_on, outcome
from tests.unit.ingest.nearly_right import FIELDS, LEADS, PURCHASES


@CALM
@given(data=LEADS)
def test_any_json_is_a_lead_or_refused(data: Any) -> None:
    fact, wrong = outcome(lambda: read_lead(data))
    assert (fact is None) == bool(wrong)
    if fact is not None:
        goes_on(fact)


@CALM
@given(data=PURCHASES)
def test_any_json_is_a_purchase_or_refused(data: Any) -> None:
    fact, wrong = outcome(lambda: read_purchase(data))
    assert (fact is None) == bool(wrong)
    if fact is not None:
        goes_on(fact)


@CALM
@given(
    form=st.dictionaries(FIELDS, TEXTS | ANY, max_size=MOST_FIELDS + 2),
    mapping=st.dictionaries(st.sampled_from(["email", "interest", "name"]), FIELDS, max_size=2),
    came_from=URLS | TEXTS,
)
def test_any_form_is_a_lead_or_refused(form: dict[str, object], mapping: dict[str, str], came_from: str) -> None:
    fact, wrong = outcome(lambda: read_form(form, mapping, name="contact", came_from=came_from, wording="Yes"))
    assert (fact is None) == bool(wrong)
    if fact is not None:
        goes_on(fact)
