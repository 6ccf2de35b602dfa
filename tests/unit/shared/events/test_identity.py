import hmac
from itertools import zip_longest
from uuid import UUID, uuid5

import phonenumbers
import pytest
from email_validator import EmailNotValidError, validate_email
from hypothesis import given
from hypothesis import strategies as st

from shared.events.identity import (
    Identity,
    derived_event_id,
    identify,
    normalise_email,
    normalise_opaque,
    normalise_phone,
    partition_key,
)


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        ("Ada@Example.COM", "ada@example.com"),
        ("  ada@example.com ", "ada@example.com"),
        ("ada@bücher.example", "ada@xn--bcher-kva.example"),
    ],
)
def test_one_address_has_one_form(written: str, normal: str) -> None:
    assert normalise_email(written) == normal
    assert normalise_email(normal) == normal


@pytest.mark.parametrize("text", ["", "ada", "ada@", "@example.com", "a b@example.com", "ada@example..com"])
def test_what_is_no_address_is_refused_with_a_reason(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        normalise_email(text)


LABEL = st.from_regex(r"[a-z0-9-]{1,12}", fullmatch=True)


@given(
    st.from_regex(r"[A-Za-z0-9._+-]{1,20}", fullmatch=True),
    st.lists(LABEL, min_size=1, max_size=3),
    st.sampled_from(["com", "DE", "example", "test", "local", "invalid", "onion", "c", "arpa"]),
)
def test_the_quick_way_for_plain_addresses_is_the_library_s_way(local: str, labels: list[str], top: str) -> None:
    text = f"{local}@{'.'.join(labels)}.{top}"
    try:
        found = validate_email(text, check_deliverability=False, test_environment=True)
    except EmailNotValidError:
        with pytest.raises(ValueError, match=r"\w"):
            normalise_email(text)
    else:
        assert normalise_email(text) == f"{found.local_part}@{found.ascii_domain}".lower()


@given(st.text(max_size=60))
def test_any_text_is_normalised_or_refused(text: str) -> None:
    for rule in (normalise_email, normalise_phone, normalise_opaque):
        try:
            once = rule(text)
        except ValueError:
            continue
        assert rule(once) == once


@pytest.mark.parametrize(
    ("written", "normal"), [("+44 1632 960961", "+441632960961"), ("+49 (0)30 901820", "+4930901820")]
)
def test_one_number_has_one_form(written: str, normal: str) -> None:
    assert normalise_phone(written) == normal


@pytest.mark.parametrize("text", ["", "call me", "12", "+44", "030 901820"])
def test_a_number_without_its_country_or_length_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="phone number"):
        normalise_phone(text)


COUNTRY = st.sampled_from(["1", "39", "44", "49", "52", "54", "55", "7", "225", "290", "800", "999", "0"])


@given(COUNTRY, st.text("0123456789", max_size=14), st.lists(st.sampled_from(["", " ", "-", "(", ")", "/", "."])))
def test_the_quick_way_for_plain_numbers_is_the_library_s_way(country: str, digits: str, between: list[str]) -> None:
    text = "+" + "".join(digit + sign for digit, sign in zip_longest(country + digits, between, fillvalue=""))
    try:
        found = phonenumbers.parse(text)
    except phonenumbers.NumberParseException:
        found = None
    if found is None or not phonenumbers.is_possible_number(found):
        with pytest.raises(ValueError, match="phone number"):
            normalise_phone(text)
    else:
        number = phonenumbers.format_number(found, phonenumbers.PhoneNumberFormat.E164)
        assert normalise_phone(text) == number + (f";ext={found.extension}" if found.extension else "")


NO_IDS = [
    *("undefined", "null", "None", "guest", "0", "N/A", "nil", "nan", "NaN", "anonymous", "[object Object]", "", " "),
    *("00000000-0000-0000-0000-000000000000", "0" * 32, "none@none.com", "NoEmail@shop.example"),
    *("\u200b", " \u2060 ", "\ufeffnull", "un\u00addefined", "g\u200du\u200eest"),
]
NO_ADDRESSES = ["none@none.com", "noemail@shop.example", "no-email@x.example", "test@test.com", "test@test.co.uk"]
NO_NUMBERS = ["+15555555555", "+491111111111", "+3530000000"]


@pytest.mark.parametrize("text", NO_IDS)
def test_what_stands_for_nothing_is_no_id(text: str) -> None:
    assert identify(user_id=text, anonymous_id=text) == Identity()
    assert identify(email="a@b.example", user_id=f" {text.upper()} ") == Identity(email="a@b.example")


@pytest.mark.parametrize("text", NO_ADDRESSES)
def test_an_address_that_many_write_is_none(text: str) -> None:
    assert identify(email=text, phone="+447700900201") == Identity(phone="+447700900201")


@pytest.mark.parametrize("text", NO_NUMBERS)
def test_a_number_of_one_digit_is_none(text: str) -> None:
    assert identify(phone=text, email="a@b.example") == Identity(email="a@b.example")


@pytest.mark.parametrize(
    "identity",
    [
        Identity(email="test@example.com", phone="+15555555556", user_id="00", anonymous_id="guest-1"),
        Identity(email="none@shop.example", phone="+447777777778", user_id="nullable", anonymous_id="10"),
        Identity(email="tests@test.com", phone="+441632960961", user_id="ada@test.com", anonymous_id="Nan Goldin"),
    ],
)
def test_what_only_looks_like_it_is_kept(identity: Identity) -> None:
    assert identify(**{name: getattr(identity, name) for name in NAMES}) == identity


NAMES = ("email", "phone", "user_id", "anonymous_id")


@given(st.emails(), st.text("23456789", min_size=4, max_size=12), st.text("abcdefgh-123456789", min_size=13))
def test_any_other_identity_is_as_it_was(address: str, digits: str, own_id: str) -> None:
    email = normalise_email(address)
    found = identify(email=email, phone=f"+44{digits}1", user_id=own_id, anonymous_id=own_id)
    assert found == Identity(email=email, phone=f"+44{digits}1", user_id=own_id, anonymous_id=own_id)


def test_a_user_id_means_something_only_within_its_source() -> None:
    identity = Identity(user_id="42", anonymous_id="a1")
    assert identity.strong_keys("/sources/shop") != identity.strong_keys("/sources/app")
    assert identity.primary("/sources/shop") == "user:/sources/shop:42"


def test_the_strongest_identity_decides_the_partition() -> None:
    assert Identity(email="a@b.example", phone="+1", anonymous_id="x").primary("/s") == "email:a@b.example"
    assert Identity(anonymous_id="x").primary("/s") == "anonymous:/s:x"
    assert Identity().primary("/s") is None


def test_ids_and_keys_never_change() -> None:
    """These two values are in every log and database of every installation: if this fails, the code is wrong."""
    assert derived_event_id("/sources/website", "form-123") == UUID("8531518c-49de-5638-abf4-4fda54757453")
    assert partition_key("email:ada@example.com", b"secret") == b"676565f3c20f5b621bd00612cc464c74"


@given(st.text(), st.text())
def test_an_event_id_is_a_uuid_of_version_5(source: str, sender_id: str) -> None:
    namespace = UUID("5f2d7f0e-3c56-5a0b-9a3e-6d1f0e9b7c11")
    assert derived_event_id(source, sender_id) == uuid5(namespace, f"{source}\n{sender_id}")


@given(st.text(), st.binary(max_size=200))
def test_a_key_is_half_of_an_hmac(primary: str, secret: bytes) -> None:
    assert partition_key(primary, secret) == hmac.digest(secret, primary.encode(), "sha256")[:16].hex().encode()


@given(st.emails(), st.binary(min_size=16, max_size=32))
def test_a_key_shows_nothing_of_the_address(address: str, secret: bytes) -> None:
    key = partition_key(f"email:{address}", secret)
    assert address.encode() not in key
    assert len(key) == 32


def test_what_is_too_long_to_be_one_is_not_looked_at() -> None:
    """The time that it takes to read them grows with their length, and strangers write them."""
    assert normalise_phone("+44" + " " * 300 + "1632" + " " * 100 + "960961") == "+441632960961"
    for phone in ("+44 " + "1 " * 200, "+44" + " " * 600 + "1632960961", "x" * 65):
        with pytest.raises(ValueError, match="phone"):
            normalise_phone(phone)
    with pytest.raises(ValueError, match="too long"):
        normalise_email("a" * 400 + "@example.com")
    assert normalise_email(" " * 400 + "ada@example.com") == "ada@example.com"


def test_an_order_and_a_device_are_known_within_their_source_and_trust() -> None:
    device = Identity(anonymous_id="x")
    keys = {device.primary(source, trust) for source in ("/sources/a", "/sources/b") for trust in ("trusted", "public")}
    assert len(keys) == 4
    assert Identity(order="x").weak_keys("/sources/a", "trusted") == ["order:/sources/a:x"]


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("+49 30 5550100 ext. 12", "+49305550100;ext=12"), ("+1 650 253 0000 x123", "+16502530000;ext=123"),
        ("tel:+49-30-5550100;ext=12", "+49305550100;ext=12"), ("+49 30 5550100", "+49305550100"),
    ],
)  # fmt: skip
def test_an_extension_is_another_telephone(written: str, number: str) -> None:
    assert normalise_phone(written) == number
    assert normalise_phone(number) == number
    assert identify(phone=number).phone == number


def test_nobodys_number_stays_nobodys_with_an_extension() -> None:
    assert identify(phone=normalise_phone("+1 555 555 5555 ext. 1")).phone is None
