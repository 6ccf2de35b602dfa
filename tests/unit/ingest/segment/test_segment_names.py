import pytest

from services.ingest.domain.segment.names import NAMES, kind_of, name_of, names_table
from shared.events.types import DATA_TYPES


@pytest.mark.parametrize(
    ("event", "type_", "kind"),
    [
        ("Order Completed", "purchase.completed", "order_completed"),
        ("Completed Order", "purchase.completed", "order_completed"),
        ("order_completed", "purchase.completed", "order_completed"),
        ("ORDER COMPLETED", "purchase.completed", "order_completed"),
        ("orderCompleted", "purchase.completed", "order_completed"),
        ("Refunded Order", "purchase.refunded", "order_refunded"),
        ("Order Canceled", "purchase.refunded", "order_cancelled"),
        ("Viewed Product", "engagement.recorded", "product_viewed"),
        ("Viewed Product Category", "engagement.recorded", "product_list_viewed"),
        ("Entered Payment Info", "engagement.recorded", "payment_info_entered"),
        ("Added Product to Wishlist", "engagement.recorded", "product_added_to_wishlist"),
        ("Sent Invite", "referral.made", "invite_sent"),
        ("Signed Up", "lead.captured", "signed_up"),
        ("user_registered", "lead.captured", "signed_up"),
        ("Form Submitted", "lead.captured", "form_submitted"),
        ("Pricing Compared", "engagement.recorded", "pricing_compared"),
        ("Angebot Größe Gewählt", "engagement.recorded", "angebot_größe_gewählt"),
        ("!!", "engagement.recorded", "unnamed"),
    ],
)
def test_a_name_is_known_in_every_spelling(event: str, type_: str, kind: str) -> None:
    assert (name_of(event).type, name_of(event).kind) == (type_, kind)


def test_no_two_rows_claim_the_same_name() -> None:
    for row in NAMES:
        for name in (row.name, *row.also):
            assert name_of(name) is row, name


def test_every_row_becomes_a_type_of_ours_and_is_in_the_table() -> None:
    table = names_table()
    for row in NAMES:
        assert row.type in DATA_TYPES
        assert row.kind == kind_of(row.kind)
        assert f"| {', '.join((row.name, *row.also))} | `{row.type}` | `{row.kind}` |" in table
    assert table.count("\n") == len(NAMES) + 2
