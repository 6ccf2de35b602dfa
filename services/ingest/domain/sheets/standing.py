"""What a row of an export of orders is, by the words of its status and of its type: bought, gone back, or neither."""

import re
from typing import Final

PAID: Final = frozenset(
    {
        "paid", "succeeded", "complete", "completed", "processing", "wccompleted", "wcprocessing", "partiallyrefunded",
        "captured", "paidout", "bezahlt", "abgeschlossen", "payé", "pagado", "pagato", "betaald", "settled",
        "paymentaccepted", "fulfilled", "shipped", "unshipped", "partiallyshipped", "delivered",
        "payée", "pagada", "pago", "paga",
        "opłacone", "oplacone", "zapłacone",
        "completado", "completada", "completato", "terminé", "terminée", "voltooid", "afgerond", "concluído",
        "concluido", "zrealizowane", "versendet", "erledigt",
    }
)  # fmt: skip
_BACK: Final = frozenset(
    {
        "refunded", "wcrefunded", "erstattet", "remboursé", "remboursée", "reembolsado", "rimborsato", "terugbetaald",
        "zwrócone", "zwrot",
    }
)  # fmt: skip
_ON_ITS_WAY: Final = "shipped"  # Amazon: Shipped - Delivered to Buyer
# Of the type of a row in a report of payments (Adyen, Stripe, Mollie), where each step of a payment is a row. A word
# that is not here says nothing, as PayPal's "Express Checkout Payment": the row is a purchase.
_STEPS: Final = frozenset(
    {
        "received", "refused", "declined", "denied", "rejected", "error", "failed", "pending", "sentforsettle",
        "sentforrefund", "refundfailed", "refundedreversed", "capturefailed", "chargebackreversed",
        "secondchargeback", "disputereversal", "notificationofchargeback", "requestforinformation",
        # and what is no payment of a customer
        "stripefee", "networkcost", "payout", "payouts", "merchantpayout", "balancetransfer", "generalwithdrawal",
        "depositcorrection", "reserveadjustment", "invoicededuction", "internalcompanypayout", "miscadjustment",
    }
)  # fmt: skip
_TYPES_BACK: Final = frozenset(
    {
        "refund", "refunded", "return", "returned", "refundedbulk", "refundedexternally", "paymentrefund", "chargeback",
        "chargebackexternally", "dispute", "reversal", "paymentreversal", "cancelled", "canceled", "expired",
        "ruckerstattung", "rückerstattung", "erstattung", "remboursement", "reembolso", "rimborso", "terugbetaling",
        "zwrot",
    }
)  # fmt: skip
_LETTERS: Final = re.compile(r"[\W\d_]+")


def is_paid(status: str) -> bool:
    """Whether an order of this status was paid."""
    letters = _letters(status)
    return letters in PAID or letters.startswith(_ON_ITS_WAY)


def went_back(status: str, refunded: object) -> bool:
    """Whether it was paid once: all of it went back, and a column (`refunded`) says how much that was."""
    return _letters(status) in _BACK and bool(str(refunded).strip(" 0.,"))


def is_a_step(kind: object) -> bool:
    """Whether the row's type says that nobody bought anything: a refused payment, a fee."""
    return _letters(str(kind)) in _STEPS


def is_of_money_back(kind: object) -> bool:
    """Whether the row's type says that its money went back: a refund, a chargeback, what was never captured."""
    return _letters(str(kind)) in _TYPES_BACK


def _letters(text: str) -> str:
    return _LETTERS.sub("", text.lower())
