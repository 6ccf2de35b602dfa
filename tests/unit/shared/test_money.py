from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import Permanent
from shared.money import _DECIMALS, CURRENCIES, MAX_MINOR, from_minor, is_currency, round_minor, to_decimal, to_minor


def test_every_currency_with_decimals_of_its_own_is_one() -> None:
    assert _DECIMALS.keys() < CURRENCIES
    assert all(is_currency(code) for code in ("EUR", "USD", "CAD", "XAF", "XCG", "ZWG", "SLE"))


currencies = st.sampled_from(["EUR", "USD", "JPY", "KWD", "CLF"])
minors = st.integers(-(10**11), 10**11)


@given(minors, currencies)
def test_what_is_written_reads_back_the_same(minor: int, currency: str) -> None:
    money = from_minor(minor, currency)
    assert money.minor() == minor
    assert to_decimal(minor, currency) == Decimal(money.amount)


@pytest.mark.parametrize(
    ("amount", "currency", "minor"),
    [
        ("129.90", "EUR", 12990),
        ("0.005", "EUR", 0),  # half to even
        ("0.015", "EUR", 2),
        ("500", "JPY", 500),
        ("1.5", "JPY", 2),
        ("1.234", "KWD", 1234),
        ("1.2345", "CLF", 12345),
        ("1.2345", "UYW", 12345),
        ("-3.10", "USD", -310),
    ],
)
def test_amounts_become_minor_units_half_to_even(amount: str, currency: str, minor: int) -> None:
    assert to_minor(amount, currency) == minor


@pytest.mark.parametrize("amount", ["", "1,50", "1e3", "NaN", "Infinity", "٣", " 1", "1.", "--1", "1" * 13, "0x1"])
def test_anything_but_a_plain_decimal_is_refused(amount: str) -> None:
    with pytest.raises(Permanent):
        to_minor(amount, "EUR")


@pytest.mark.parametrize("currency", ["", "eur", "EURO", "E1R", "ÄÖÜ", "ZZZ", "AAA", "XXX", "XTS"])
def test_a_currency_is_one_of_iso_4217(currency: str) -> None:
    with pytest.raises(Permanent):
        to_minor("1", currency)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), Decimal("sNaN"), MAX_MINOR * 2])
def test_no_nan_no_infinity_no_overflow_ever_reaches_a_booking(value: float) -> None:
    with pytest.raises(Permanent):
        round_minor(value)


def test_a_million_times_a_million_is_money_and_a_cent_more_is_not() -> None:
    assert round_minor(10**15) == 10**15
    assert round_minor(-(10**15)) == -(10**15)
    for beyond in (10**15 + 1, -(10**15) - 1):
        with pytest.raises(Permanent):
            round_minor(beyond)


def test_an_amount_is_a_value() -> None:
    assert len({from_minor(5, "EUR"), from_minor(5, "EUR"), from_minor(5, "USD")}) == 2


@given(st.floats(allow_nan=False, allow_infinity=False, min_value=-1e12, max_value=1e12))
def test_rounding_is_to_the_nearest(value: float) -> None:
    assert abs(Decimal(round_minor(value)) - Decimal(value)) <= Decimal("0.5")
