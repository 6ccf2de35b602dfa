"""What each JSON reader is told, nearly right: its own fields, of which a few are missing or hold anything."""

from typing import Any

from hypothesis import strategies as st

from services.ingest.domain.forms.names import CAMPAIGN
from services.ingest.domain.segment.names import NAMES
from tests.unit.ingest.any_json import ANY, NUMBERS, TEXTS, TIMES, URLS, WORDS, having

_AMOUNTS = st.sampled_from(["12.50", 5, 19.99, "99", "-3"])
_IDENTITIES = {
    "email": st.just("a@example.com"), "phone": st.sampled_from(["+44 1632 960961", "+49 30 901820", "030 12345"]),
    "user_id": WORDS, "anonymous_id": WORDS,
}  # fmt: skip
LEADS = having(
    **_IDENTITIES, name=WORDS, company=WORDS, interest=WORDS, message=TEXTS, form=WORDS, page=URLS, occurred_at=TIMES,
    message_id=WORDS, estimated_value=having(amount=_AMOUNTS, currency=st.just("EUR")),
    campaign=having(source=WORDS, medium=WORDS, gclid=WORDS), traits=having(a=ANY, b=NUMBERS),
    consent=having(email=st.booleans(), sms=st.booleans(), wording=WORDS), role=WORDS, size=NUMBERS,
)  # fmt: skip
PURCHASES = having(
    **_IDENTITIES, order_id=WORDS, amount=_AMOUNTS, currency=st.just("EUR"), margin=_AMOUNTS, coupon=WORDS,
    items=st.lists(having(sku=WORDS, name=WORDS, quantity=NUMBERS, price=_AMOUNTS), max_size=3),
    occurred_at=TIMES, message_id=WORDS,
)  # fmt: skip
FIELDS = (
    st.sampled_from(["email", "E-Mail", "telefon", "your-name", "nachricht", "consent", "website", "_page", *CAMPAIGN])
    | TEXTS
)

_TOTALS = st.integers(0, 1000) | st.sampled_from(["12.50", "$3", 19.99])
MAILS = st.sampled_from(["a@example.com", "B@example.com", "nobody"])
PRODUCTS = st.lists(
    having(sku=WORDS, product_id=WORDS, name=WORDS, price=_TOTALS, quantity=st.integers(1, 9)), max_size=3
)
PROPERTIES = having(
    order_id=st.just("o-1"), total=_TOTALS, revenue=_TOTALS, value=NUMBERS, currency=st.just("EUR"), coupon=WORDS,
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

_IDENTITY = having(email=st.just("a@example.com"), user_id=WORDS, anonymous_id=st.just("d-1"))
_DECIMALS = st.sampled_from(["12.50", "0", "12"])
_COMMON = {"identity": _IDENTITY, "human_likelihood": st.sampled_from([0, 0.5, 1])}
_ORDER = {"order_id": st.just("o-1"), "amount": _DECIMALS, "currency": st.just("EUR")}
_ITEMS = st.lists(having(sku=WORDS, price=_DECIMALS, quantity=st.integers(1, 9)), max_size=3)
_CONSENT = having(email=st.booleans(), wording=WORDS)
_MONEY = having(amount=_DECIMALS, currency=st.just("EUR"))
DATA: dict[str, st.SearchStrategy[Any]] = {
    "lead.captured": having(
        **_COMMON,
        name=WORDS,
        campaign=having(source=WORDS),
        estimated_value=_MONEY,
        traits=having(a=TEXTS),
        consent=_CONSENT,
    ),
    "contact.identified": having(**_COMMON, traits=having(a=TEXTS)),
    "engagement.recorded": having(**_COMMON, kind=WORDS, properties=having(a=NUMBERS)),
    "purchase.completed": having(**_COMMON, **_ORDER, items=_ITEMS, margin=_DECIMALS),
    "purchase.refunded": having(**_COMMON, **_ORDER),
    "contact.touched": having(**_COMMON, who=WORDS, channel=WORDS, outcome=st.sampled_from(["attempted", "reached"])),
    "referral.made": having(**_COMMON, referred=_IDENTITY),
    "feedback.given": having(**_COMMON, kind=st.sampled_from(["nps", "rating"]), score=st.integers(0, 10), text=WORDS),
    "consent.changed": having(**_COMMON, channel=WORDS, given=st.booleans()),
    "cost.recorded": having(amount=_DECIMALS, currency=st.just("EUR"), source=WORDS, period_start=TIMES),
}
TYPED = st.sampled_from(sorted(DATA)).flatmap(lambda kind: st.tuples(st.just(kind), DATA[kind]))
