from datetime import UTC, datetime
from typing import Any

import pytest

from services.ingest.domain.fact import Fact, Refused
from services.ingest.domain.segment.messages import read_segment
from shared.events.identity import Identity

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ORDER: Any = {
    "order_id": "50314b8e9bcf000000000000",
    "checkout_id": "fksdjfsdjfisjf9sdfjsd9f",
    "affiliation": "Google Store",
    "total": 27.50,
    "subtotal": 22.50,
    "revenue": 25.00,
    "shipping": 3,
    "tax": 2,
    "discount": 2.5,
    "coupon": "hasbros",
    "currency": "EUR",
    "products": [
        {"product_id": "507f1f77bcf86cd799439011", "sku": "45790-32", "name": "Monopoly: 3rd Edition", "price": 19,
         "quantity": 1, "category": "Games", "url": "https://www.example.com/product/path"},
        {"product_id": "505bd76785ebb509fc183733", "name": "Uno Card Game", "price": "3", "quantity": 2},
    ],
}  # fmt: skip


def read(kind: str = "track", *, public: bool = False, **message: Any) -> Fact:
    return read_segment({"userId": "u-1", **message}, kind, now=NOW, public=public)


def track(event: str, *, public: bool = False, **properties: Any) -> Fact:
    return read(event=event, properties=properties, public=public)


def data(fact: Fact) -> Any:
    return fact.data


def refused(kind: str = "track", **message: Any) -> dict[str, str]:
    with pytest.raises(Refused) as caught:
        read(kind, **message)
    return dict(caught.value.wrong)


def test_an_order_is_a_purchase_of_what_the_customer_paid() -> None:
    fact = track("Order Completed", **ORDER)
    order = data(fact)
    assert fact.type == "purchase.completed"
    assert (order.order_id, order.amount, order.currency) == ("50314b8e9bcf000000000000", "27.5", "EUR")
    assert order.coupon == "hasbros"
    first, second = order.items
    assert (first.sku, first.name, first.price, first.quantity) == ("45790-32", "Monopoly: 3rd Edition", "19", 1)
    assert (second.sku, second.price, second.quantity) == ("505bd76785ebb509fc183733", "3", 2)


@pytest.mark.parametrize(
    ("left_out", "amount"),
    [((), "27.5"), (("total",), "25"), (("total", "revenue"), "25"), (("total", "revenue", "products"), None)],
)
def test_the_amount_is_the_total_else_the_revenue_else_what_the_products_cost(
    left_out: tuple[str, ...], amount: str | None
) -> None:
    order = {name: value for name, value in ORDER.items() if name not in left_out}
    if amount is None:
        assert "/properties/total" in refused(event="Order Completed", properties=order)
    else:
        assert data(track("Order Completed", **order)).amount == amount


def test_an_amount_may_be_text_as_segment_takes_it_and_the_currency_defaults_to_dollars() -> None:
    order = data(track("Order Completed", order_id="1", revenue="$19.99"))
    assert (order.amount, order.currency) == ("19.99", "USD")
    assert refused(event="Order Completed", properties={"order_id": "1", "total": "much"}).keys() == {
        "/properties/total"
    }
    assert refused(event="Order Completed", properties={"order_id": "1", "total": -5}).keys() == {"/properties/total"}
    assert refused(event="Order Completed", properties={"total": 5, "currency": "euro"}).keys() == {
        "/properties/order_id", "/properties/currency",
    }  # fmt: skip


def test_an_order_of_many_lines_is_taken_whole() -> None:
    lines = [{**ORDER["products"][0], "sku": f"s-{n}"} for n in range(120)]
    assert len(data(track("Order Completed", **(ORDER | {"products": lines}))).items) == 120
    viewed = track("Product List Viewed", list_id="hot", products=lines)
    assert viewed.type == "engagement.recorded"
    assert data(viewed).properties == {"list_id": "hot"}, "too long a list is left out, the rest is kept"
    short = track("Product List Viewed", products=lines[:2])
    assert len(data(short).properties["products"]) == 2


def test_an_order_without_an_id_of_its_message_is_named_by_itself() -> None:
    assert track("Order Completed", **ORDER).sender_id == "order:50314b8e9bcf000000000000"
    assert read(event="Order Completed", properties=ORDER, messageId="m-1").sender_id == "m-1"
    assert track("Order Refunded", **ORDER).sender_id is None, "of one order, parts may go back one after the other"


def test_a_refund_without_an_amount_is_what_its_products_cost() -> None:
    part = track("Order Refunded", order_id="1", total=5.5, currency="EUR")
    assert (part.type, data(part).amount, data(part).currency) == ("purchase.refunded", "5.5", "EUR")
    whole = {name: value for name, value in ORDER.items() if name not in ("total", "revenue")}
    assert data(track("Order Refunded", **whole)).amount == "25"
    assert data(track("Order Refunded", order_id="1", total=-5)).amount == "5"
    assert refused(event="Order Refunded", properties={"order_id": "1"}).keys() == {"/properties/total"}


def test_a_cancelled_order_goes_back_whole() -> None:
    assert track("Order Cancelled", **ORDER).type == "purchase.refunded"
    nothing_paid = track("Order Cancelled", order_id="1")
    assert (nothing_paid.type, data(nothing_paid).kind) == ("engagement.recorded", "order_cancelled")


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        ("Order Completed", "order_completed"),
        ("Refunded Order", "order_refunded"),
        ("Order Cancelled", "order_cancelled"),
        ("Invite Sent", "invite_sent"),
        ("Unsubscribed", "unsubscribed"),
    ],
)
def test_what_a_public_key_says_of_money_or_of_others_is_engagement(event: str, kind: str) -> None:
    properties = ORDER | {"invitee_email": "bob@example.com"}
    told = track(event, public=True, **properties)
    assert (told.type, data(told).kind) == ("engagement.recorded", kind)
    assert track(event, **properties).type != "engagement.recorded"


def test_a_public_key_may_bring_leads_and_wrong_orders() -> None:
    assert track("Signed Up", public=True).type == "lead.captured"
    assert track("Order Completed", public=True, total="junk").type == "engagement.recorded"


def test_an_invitation_names_somebody_else() -> None:
    sent = track("Invite Sent", invitee_email="Bob@Example.com", invitee_first_name="Bob")
    assert (sent.type, data(sent).referred.email, sent.identity.email) == ("referral.made", "bob@example.com", None)
    plain = track("Invite Sent", email="bob@example.com")
    assert (data(plain).referred.email, plain.identity.email) == ("bob@example.com", None)
    assert track("Invite Sent", invitee_email="bob").type == "engagement.recorded"
    himself = read(
        event="Invite Sent",
        properties={"invitee_email": "a@example.com"},
        context={"traits": {"email": "a@example.com"}},
    )
    assert himself.type == "engagement.recorded"
    assert track("Product Shared", email="friend@example.com").identity.email is None


def test_a_review_with_a_rating_is_feedback() -> None:
    said = track("Product Reviewed", product_id="7", review_body="Good fun", rating="4.5")
    assert (said.type, data(said).kind, data(said).score, data(said).text) == (
        "feedback.given",
        "rating",
        4.5,
        "Good fun",
    )
    assert track("Product Reviewed", rating="stars").type == "engagement.recorded"


def test_unsubscribed_is_a_consent_withdrawn() -> None:
    fact = track("Unsubscribed", email_id="18vzF7u3z", list_id="123")
    assert (fact.type, data(fact).channel, data(fact).given) == ("consent.changed", "email", False)


def test_a_lead_is_what_traits_properties_and_context_tell() -> None:
    fact = read(
        event="Signed Up",
        properties={"first_name": "Ada", "last_name": "Lovelace", "email": "Ada@Example.com", "type": "organic"},
        context={
            "traits": {"title": "cto", "plan": "pro"}, "locale": "de-DE", "timezone": "Europe/Berlin", "ip": "8.8.8.8",
            "userAgent": "Mozilla/5.0", "library": {"name": "x"},
            "page": {"url": "https://example.com/?gclid=g-1", "referrer": "https://news.example.org/a"},
            "campaign": {"name": "spring", "source": "google"},
        },
        integrations={"All": False},
    )  # fmt: skip
    lead = data(fact)
    assert (fact.type, fact.identity.email, fact.identity.user_id) == ("lead.captured", "ada@example.com", "u-1")
    assert (lead.name, lead.interest, lead.page) == ("Ada Lovelace", "Signed Up", "https://example.com/?gclid=g-1")
    assert (lead.campaign.name, lead.campaign.source, lead.campaign.gclid) == ("spring", "google", "g-1")
    assert lead.campaign.referrer == "https://news.example.org/a"
    assert {
        "role": "cto",
        "plan": "pro",
        "locale": "de-DE",
        "time_zone": "Europe/Berlin",
        "type": "organic",
    }.items() <= lead.traits.items()
    assert "email" not in lead.traits
    assert fact.told is not None
    assert (fact.told.agent, fact.told.address) == ("Mozilla/5.0", "8.8.8.8")


def test_an_account_s_name_is_the_company_and_a_form_has_its_name() -> None:
    assert data(track("Account Created", account_name="Initech")).traits["company"] == "Initech"
    form = data(track("Form Submitted", form_name="contact", message="Hello", interest="pricing"))
    assert (form.form, form.message, form.interest) == ("contact", "Hello", "pricing")


@pytest.mark.parametrize(
    ("page", "found"),
    [
        ({"search": "?utm_source=x&utm_campaign=y&gclid=1"}, ("x", "y", "1", None)),
        ({"url": "https://example.com/a?fbclid=2&gclid=1#utm_source=no"}, (None, None, "1", "2")),
        ({"url": "https://example.com/a?gclid=%00"}, None),
        ({"url": "https://example.com/a?gclid=" + "x" * 501}, None),
        ({"url": "https://example.com/utm_source"}, None),
        ({"url": "https://example.com/?" + "&".join(f"gclid={n}" for n in range(200))}, None),
        ({"url": 5, "search": []}, None),
        ([], None),
    ],
)
def test_click_ids_and_utm_come_from_the_page_s_address(page: Any, found: tuple[str | None, ...] | None) -> None:
    campaign = data(read("page", context={"page": page})).campaign
    if found is None:
        assert campaign is None
    else:
        assert (campaign.source, campaign.name, campaign.gclid, campaign.fbclid) == found


def test_the_context_s_campaign_goes_before_the_address() -> None:
    context = {"page": {"search": "?utm_source=address&gclid=1"}, "campaign": {"source": "context"}}
    campaign = data(read("page", context=context)).campaign
    assert (campaign.source, campaign.gclid) == ("context", "1")


def test_a_page_is_known_by_its_address_a_screen_by_its_name() -> None:
    by_property = data(read("page", name="Home", properties={"url": "https://example.com/a"}))
    assert (by_property.kind, by_property.what) == ("page_viewed", "https://example.com/a")
    by_context = data(read("page", name="Home", context={"page": {"url": "https://example.com/" + "x" * 3000}}))
    assert len(by_context.what) == 2000
    screen = data(read("screen", name="Main"))
    assert (screen.kind, screen.what) == ("screen_viewed", "Main")


def test_traits_come_under_our_names() -> None:
    known = data(
        read(
            "identify",
            traits={
                "email": "Ada@Example.com", "firstName": "Ada", "lastName": "Lovelace", "title": "cto", "age": 36,
                "company": {"name": "Engines", "employee_count": 120, "industry": "Machines"},
                "address": {"country": "GB", "city": "London"}, "nothing": None,
            },
            context={"timezone": "Europe/London", "traits": {"plan": "pro"}},
        )
    )  # fmt: skip
    assert known.name == "Ada Lovelace"
    assert known.identity.email == "ada@example.com"
    assert known.traits == {
        "firstName": "Ada", "lastName": "Lovelace", "role": "cto", "age": 36, "company": "Engines", "size": 120,
        "industry": "Machines", "address": {"country": "GB", "city": "London"}, "country": "GB", "plan": "pro",
        "time_zone": "Europe/London",
    }  # fmt: skip


def test_an_anonymous_visitor_is_enough_and_nobody_is_not() -> None:
    assert read_segment({"anonymousId": "x", "event": "Hello"}, "track", now=NOW).identity.anonymous_id == "x"
    with pytest.raises(Refused) as caught:
        read_segment({"event": "Hello"}, "track", now=NOW)
    assert caught.value.wrong[0].at == "/userId"


def test_alias_joins_the_former_id_to_the_user_s() -> None:
    fact = read("alias", previousId="device-7")
    assert (fact.type, fact.identity.user_id, fact.identity.anonymous_id) == ("contact.identified", "u-1", "device-7")
    assert refused("alias").keys() == {"/previousId"}
    with pytest.raises(Refused) as caught:
        read_segment({"previousId": "device-7"}, "alias", now=NOW)
    assert [each.at for each in caught.value.wrong] == ["/userId"]


def test_a_group_s_traits_are_its_company_s_and_its_address_is_not_the_person_s() -> None:
    fact = read(
        "group",
        groupId="g-1",
        traits={"name": "Engines", "employees": 120, "email": "info@engines.example", "plan": "pro"},
    )
    assert fact.identity.email is None
    assert data(fact).traits == {"company": "Engines", "size": 120, "plan": "pro", "group_id": "g-1"}
    assert data(fact).name is None
    assert refused("group", traits={"name": "Engines"}).keys() == {"/groupId"}


def test_an_id_of_a_message_has_at_most_100_characters() -> None:
    assert read(event="x", messageId="m" * 100).sender_id == "m" * 100
    assert refused(event="x", messageId="m" * 101).keys() == {"/messageId"}


def test_who_is_called_undefined_is_known_by_the_address_and_is_nobody_without_one() -> None:
    """Two people of one site whose script had no user: `/v1/identify` with "undefined" joined them."""
    people = [
        read("identify", userId="undefined", anonymousId="null", traits={"email": email}).identity
        for email in ("m1a@example.com", "m1b@example.com")
    ]
    assert people == [Identity(email="m1a@example.com"), Identity(email="m1b@example.com")]
    assert refused("identify", userId="undefined") == {"/userId": "needs one of userId or anonymousId"}


def test_an_invitation_of_nobody_is_engagement() -> None:
    assert track("Invite Sent", invitee_email="none@none.com").type == "engagement.recorded"
