"""Segment's names for events, and what they are for us. Everything else is engagement of a kind of that name."""

import re
from functools import lru_cache
from typing import Final, NamedTuple

PURCHASE: Final = "purchase.completed"
REFUND: Final = "purchase.refunded"
LEAD: Final = "lead.captured"
REFERRAL: Final = "referral.made"
FEEDBACK: Final = "feedback.given"
CONSENT: Final = "consent.changed"
ENGAGEMENT: Final = "engagement.recorded"

# What a key that stands in a page never makes: money, a word about somebody else, a withdrawal in another's name.
TRUSTED_ONLY: Final = frozenset({PURCHASE, REFUND, REFERRAL, CONSENT})


class Name(NamedTuple):
    """One name: our event type, and the kind that it is of while it is engagement.

    `also`: other names for the same. `of_others`: an e-mail in its properties is somebody else's.
    """

    name: str
    type: str
    kind: str
    note: str
    also: tuple[str, ...] = ()
    of_others: bool = False


# The word order may be the other (`Completed Order`), and case, spaces and underscores are free (`order_completed`).
# E-commerce: https://segment.com/docs/connections/spec/ecommerce/v2/ · B2B: …/spec/b2b-saas/ · e-mail: …/spec/email/
NAMES: Final[tuple[Name, ...]] = (
    # Orders
    Name("Order Completed", PURCHASE, "order_completed", "`total`, else `revenue`, `value`, or the sum of `products`"),
    Name("Order Refunded", REFUND, "order_refunded", "the amount that went back; without one, that of its `products`"),
    Name("Order Cancelled", REFUND, "order_cancelled", "the whole order went back; without any amount, engagement",
         also=("Order Canceled",)),
    Name("Order Updated", ENGAGEMENT, "order_updated", "the order keeps the amount it was completed with"),
    # Browsing
    Name("Products Searched", ENGAGEMENT, "products_searched", "`query`"),
    Name("Product List Viewed", ENGAGEMENT, "product_list_viewed", "a category or a list",
         also=("Viewed Product Category", "Product Category Viewed")),
    Name("Product List Filtered", ENGAGEMENT, "product_list_filtered", "`filters` and `sorts`"),
    Name("Promotion Viewed", ENGAGEMENT, "promotion_viewed", "an offer was seen"),
    Name("Promotion Clicked", ENGAGEMENT, "promotion_clicked", "an offer was followed"),
    Name("Product Clicked", ENGAGEMENT, "product_clicked", "in a list"),
    Name("Product Viewed", ENGAGEMENT, "product_viewed", "its page"),
    # Cart and checkout
    Name("Product Added", ENGAGEMENT, "product_added", "to the cart", also=("Product Added to Cart", "Add to Cart")),
    Name("Product Removed", ENGAGEMENT, "product_removed", "from the cart", also=("Product Removed from Cart",)),
    Name("Cart Viewed", ENGAGEMENT, "cart_viewed", "with its `products`"),
    Name("Checkout Started", ENGAGEMENT, "checkout_started", "money is near, none has come",
         also=("Begin Checkout",)),
    Name("Checkout Step Viewed", ENGAGEMENT, "checkout_step_viewed", "`step`"),
    Name("Checkout Step Completed", ENGAGEMENT, "checkout_step_completed", "`step`"),
    Name("Payment Info Entered", ENGAGEMENT, "payment_info_entered", "not yet a purchase"),
    # Coupons
    Name("Coupon Entered", ENGAGEMENT, "coupon_entered", "not yet known to be good"),
    Name("Coupon Applied", ENGAGEMENT, "coupon_applied", "an order's own `coupon` is kept with the purchase"),
    Name("Coupon Denied", ENGAGEMENT, "coupon_denied", "`reason`"),
    Name("Coupon Removed", ENGAGEMENT, "coupon_removed", "taken out again"),
    # Wishlist
    Name("Product Added to Wishlist", ENGAGEMENT, "product_added_to_wishlist", "wanted, not bought",
         also=("Added Product to Wishlist",)),
    Name("Product Removed from Wishlist", ENGAGEMENT, "product_removed_from_wishlist", "no longer wanted",
         also=("Removed Product from Wishlist",)),
    Name("Wishlist Product Added to Cart", ENGAGEMENT, "wishlist_product_added_to_cart", "now nearly bought",
         also=("Added Wishlist Product to Cart",)),
    # Sharing and reviews
    Name("Product Shared", ENGAGEMENT, "product_shared", "with a friend, who did not ask for it", of_others=True),
    Name("Cart Shared", ENGAGEMENT, "cart_shared", "with a friend, who did not ask for it", of_others=True),
    Name("Product Reviewed", FEEDBACK, "product_reviewed", "`rating` and `review_body`; without a rating, engagement"),
    # B2B SaaS
    Name("Account Created", LEAD, "account_created", "`account_name` is the company"),
    Name("Account Deleted", ENGAGEMENT, "account_deleted", "the contact stays: erasure is a command"),
    Name("Signed Up", LEAD, "signed_up", "with what its properties tell of the person",
         also=("Sign Up", "User Signed Up", "Registered", "User Registered")),
    Name("Signed In", ENGAGEMENT, "signed_in", "", also=("Sign In", "User Signed In", "Logged In")),
    Name("Signed Out", ENGAGEMENT, "signed_out", "", also=("Sign Out", "User Signed Out", "Logged Out")),
    Name("Invite Sent", REFERRAL, "invite_sent", "`invitee_email`; without a good one, engagement",
         also=("User Invited",), of_others=True),
    Name("Account Added User", ENGAGEMENT, "account_added_user", "somebody of their own team", of_others=True),
    Name("Account Removed User", ENGAGEMENT, "account_removed_user", "somebody of their own team", of_others=True),
    Name("Trial Started", LEAD, "trial_started", "`trial_plan_name` is kept as a trait"),
    Name("Trial Ended", ENGAGEMENT, "trial_ended", "what they do next says more"),
    # E-mail
    Name("Email Opened", ENGAGEMENT, "email_opened", "mail clients open by themselves: worth little"),
    Name("Email Link Clicked", ENGAGEMENT, "email_clicked", "`link_url`", also=("Email Clicked",)),
    Name("Unsubscribed", CONSENT, "unsubscribed", "e-mail, withdrawn", also=("Email Unsubscribed",)),
    # Leads, as forms and tag managers call them
    Name("Lead Captured", LEAD, "lead_captured", "",
         also=("Lead Created", "Lead Submitted", "Lead Generated", "Generate Lead")),
    Name("Form Submitted", LEAD, "form_submitted", "`form_name`, else `form_id`, is the form",
         also=("Form Submit", "Contact Form Submitted", "Lead Form Submitted")),
    Name("Demo Requested", LEAD, "demo_requested", "", also=("Request Demo", "Demo Booked")),
    Name("Quote Requested", LEAD, "quote_requested", "", also=("Request Quote",)),
    Name("Contact Requested", LEAD, "contact_requested", "", also=("Callback Requested", "Contact Us Submitted")),
)  # fmt: skip

_NOT_A_WORD: Final = re.compile(r"[\W_]+")


@lru_cache(maxsize=4096)
def name_of(event: str) -> Name:
    """The row of this event's name; for a name that is not in the table, engagement of a kind of that name."""
    known = _BY_LETTERS.get(_letters(event))
    return known if known is not None else Name(event, ENGAGEMENT, kind_of(event), "")


def kind_of(event: str) -> str:
    """`Pricing Compared` is the kind `pricing_compared`."""
    return _NOT_A_WORD.sub("_", event.lower()).strip("_")[:100] or "unnamed"


def _letters(event: str) -> str:
    return _NOT_A_WORD.sub("", event.lower())


def _spellings(row: Name) -> tuple[str, ...]:
    names = (row.name, *row.also)
    turned = (f"{last} {first}" for first, _, last in (each.rpartition(" ") for each in names))
    return (*names, *turned)


_BY_LETTERS: Final = {_letters(name): row for row in NAMES for name in _spellings(row)}


def names_table() -> str:
    """The table as Markdown, for the documentation."""
    lines = ["| Segment's name | becomes | kind, while it is engagement | note |", "|---|---|---|---|"]
    for row in NAMES:
        names = ", ".join((row.name, *row.also))
        lines.append(f"| {names} | `{row.type}` | `{row.kind}` | {row.note} |")
    return "\n".join(lines) + "\n"
