from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from services.ingest.domain.forms.names import CAMPAIGN, MOST_FIELDS
from services.ingest.domain.forms.read import read_form
from services.ingest.domain.plain.leads import read_lead, read_purchase
from tests.unit.ingest.any_json import ANY, CALM, NUMBERS, TEXTS, TIMES, URLS, WORDS, goes_on, having, outcome

AMOUNTS = st.sampled_from(["12.50", 5, 19.99, "-3", "1e5"])
IDENTITY = {
    "email": st.just("a@example.com"), "phone": st.sampled_from(["+44 1632 960961", "030 12345"]),
    "user_id": WORDS, "anonymous_id": WORDS,
}  # fmt: skip
LEADS = having(
    **IDENTITY, name=WORDS, company=WORDS, interest=WORDS, message=TEXTS, form=WORDS, page=URLS, occurred_at=TIMES,
    message_id=WORDS, estimated_value=having(amount=AMOUNTS, currency=st.just("EUR")),
    campaign=having(source=WORDS, medium=WORDS, gclid=WORDS), traits=having(a=ANY, b=NUMBERS),
    consent=having(email=st.booleans(), sms=st.booleans(), wording=WORDS), role=WORDS, size=NUMBERS,
)  # fmt: skip
PURCHASES = having(
    **IDENTITY, order_id=WORDS, amount=AMOUNTS, currency=st.just("EUR"), margin=AMOUNTS, coupon=WORDS,
    items=st.lists(having(sku=WORDS, name=WORDS, quantity=NUMBERS, price=AMOUNTS), max_size=3),
    occurred_at=TIMES, message_id=WORDS,
)  # fmt: skip
FIELDS = (
    st.sampled_from(["email", "E-Mail", "telefon", "your-name", "nachricht", "consent", "website", "_page", *CAMPAIGN])
    | TEXTS
)


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
