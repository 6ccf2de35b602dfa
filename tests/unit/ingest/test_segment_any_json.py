from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from services.ingest.domain.segment.messages import TYPES, read_segment
from services.ingest.domain.segment.names import NAMES, TRUSTED_ONLY
from tests.unit.ingest.any_json import ANY, CALM, NOW, NUMBERS, TEXTS, TIMES, URLS, WORDS, goes_on, having, outcome

AMOUNTS = st.integers(0, 1000) | st.sampled_from(["12.50", "$3", 19.99])
MAILS = st.sampled_from(["a@example.com", "B@example.com", "nobody"])
PRODUCTS = st.lists(
    having(sku=WORDS, product_id=WORDS, name=WORDS, price=AMOUNTS, quantity=st.integers(1, 9)), max_size=3
)
PROPERTIES = having(
    order_id=st.just("o-1"), total=AMOUNTS, revenue=AMOUNTS, value=NUMBERS, currency=st.just("EUR"), coupon=WORDS,
    products=PRODUCTS, email=MAILS, phone=WORDS, url=URLS, search=URLS, rating=NUMBERS, review_body=WORDS,
    invitee_email=MAILS, interest=WORDS, message=TEXTS, name=TEXTS, first_name=TEXTS, form_name=TEXTS, account_name=WORDS,
)  # fmt: skip
TRAITS = having(
    email=MAILS, phone=WORDS, name=WORDS, firstName=WORDS, company=having(name=WORDS, employee_count=NUMBERS),
    address=having(country=WORDS), title=WORDS, timezone=WORDS,
)  # fmt: skip
CONTEXT = having(
    page=having(url=URLS, search=URLS, referrer=URLS), campaign=having(name=WORDS, source=WORDS), traits=TRAITS,
    ip=TEXTS, userAgent=TEXTS, locale=TEXTS, timezone=TEXTS,
)  # fmt: skip
EVENTS = st.sampled_from([row.name for row in NAMES]) | WORDS
MESSAGES = having(
    userId=st.just("u-1"), anonymousId=st.just("d-1"), previousId=st.just("d-2"), groupId=st.just("g-1"), event=EVENTS,
    name=WORDS, category=WORDS, properties=PROPERTIES, traits=TRAITS, context=CONTEXT, timestamp=TIMES, sentAt=TIMES,
    messageId=st.just("m-1"), integrations=ANY,
)  # fmt: skip


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
