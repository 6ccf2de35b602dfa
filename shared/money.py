"""Money: integer minor units inside, decimal strings outside, one place that rounds."""

import re
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final

from msgspec import Struct

from shared.errors import Permanent

# ISO 4217: every currency that does not have two decimals.
_DECIMALS: Final = {
    **dict.fromkeys(
        ("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND", "VUV", "XAF",
         "XOF", "XPF"),
        0,
    ),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
    **dict.fromkeys(("CLF", "UYW"), 4),
}  # fmt: skip
_AMOUNT: Final = re.compile(r"-?\d{1,12}(\.\d{1,6})?", re.ASCII)
# ISO 4217: all active codes of money (no bonds, no test codes), and those withdrawn lately: old orders name them.
CURRENCIES: Final = frozenset(
    """
    AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF
    CHE CHF CHW CLF CLP CNY COP COU CRC CUC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD
    GNF GTQ GYD HKD HNL HRK HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP
    LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN
    PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SLL SOS SRD SSP STN SVC SYP SZL THB TJS
    TMT TND TOP TRY TTD TWD TZS UAH UGX USD USN UYI UYU UYW UZS VED VES VND VUV WST XAD XAF XAG XAU XCD XCG XDR XOF
    XPD XPF XPT XSU XUA YER ZAR ZMW ZWG ZWL
    """.split()  # noqa: SIM905 - a list of 160 quoted texts reads worse
)
MAX_MINOR: Final = 10**15  # far below the limit of a 64-bit column, so that sums fit too


class Money(Struct, frozen=True):
    """An amount as people write it: `{"amount": "129.90", "currency": "EUR"}`."""

    amount: str
    currency: str

    def minor(self) -> int:
        """The amount in minor units of its own currency (cents for EUR, yen for JPY), half to even."""
        return to_minor(self.amount, self.currency)


def decimals(currency: str) -> int:
    """How many decimals the currency has (ISO 4217)."""
    return _DECIMALS.get(currency, 2)


def is_currency(text: str) -> bool:
    """Whether the text is an ISO 4217 code, in capital letters."""
    return text in CURRENCIES


def is_amount(text: str) -> bool:
    """Whether the text is a plain decimal number: no exponent, no separators, at most 12 digits before the point."""
    return _AMOUNT.fullmatch(text) is not None


def to_minor(amount: str, currency: str) -> int:
    """Minor units of `currency` for a decimal string, rounded half to even.

    Raises Permanent when the text is not a plain decimal number or the currency not a code.
    """
    exact = exactly(amount)
    if not is_currency(currency):
        raise Permanent("a currency is not an ISO 4217 code such as EUR")
    return round_minor(exact.scaleb(decimals(currency)))


def exactly(amount: str) -> Decimal:
    """The decimal string as a number. Raises Permanent when it is not a plain one."""
    if not is_amount(amount):
        raise Permanent("an amount is not a plain decimal number such as 129.90")
    return Decimal(amount)


def round_minor(value: Decimal | float) -> int:
    """The one place where money is rounded: to a whole minor unit, half to even. Refuses NaN and infinity."""
    exact = Decimal(value)
    if not exact.is_finite() or abs(exact) > MAX_MINOR:
        raise Permanent("an amount of money is out of range")
    return int(exact.to_integral_value(ROUND_HALF_EVEN))


def to_decimal(minor: int, currency: str) -> Decimal:
    """Major units as an exact decimal: 12990 EUR is Decimal('129.90')."""
    return Decimal(minor).scaleb(-decimals(currency))


def from_minor(minor: int, currency: str) -> Money:
    """What people read: 12990 EUR becomes amount "129.90"."""
    places = decimals(currency)
    if not places:
        return Money(str(minor), currency)
    digits = str(abs(minor)).zfill(places + 1)  # a list has hundreds of amounts, and a Decimal takes far longer
    return Money(f"{'-' if minor < 0 else ''}{digits[:-places]}.{digits[-places:]}", currency)
