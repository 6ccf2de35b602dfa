"""Who an event is about. Identities in an event are already normalised: every producer calls `normalise`."""

import hmac
import re
import unicodedata
from collections.abc import Callable
from contextvars import ContextVar
from functools import lru_cache
from typing import Final, Literal, TypeAlias
from uuid import UUID

import phonenumbers
from email_validator import SPECIAL_USE_DOMAIN_NAMES, EmailNotValidError, validate_email
from msgspec import Struct

from shared.named_ids import ids_of_names

# Whether who speaks is known, or may be anybody who claims to be somebody else.
Trust: TypeAlias = Literal["trusted", "public"]

# What must never change: ids derived with this namespace make a resend the same event for ever.
_EVENT_NAMESPACE: Final = UUID("5f2d7f0e-3c56-5a0b-9a3e-6d1f0e9b7c11")
LONGEST_ID: Final = 256
_LONGEST_PLAIN: Final = 64
LONGEST_ADDRESS: Final = 320  # RFC 3696: 64 before the @ and 255 after it
_LONGEST_PHONE: Final = 64  # characters, with all that people put around the digits
_LONGEST_PADDED: Final = 512
# Nothing that the library would look at twice: no quotes, no other alphabets, no punycode.
_PLAIN_ADDRESS: Final = re.compile(
    r"[a-z0-9_+-]+(?:\.[a-z0-9_+-]+)*@(?:[a-z0-9](?:[a-z0-9]|-(?!-))*(?<!-)\.)+([a-z]{2,24})", re.ASCII
)
_SPECIAL: Final = frozenset(name.rpartition(".")[2] for name in SPECIAL_USE_DOMAIN_NAMES)
# A number with its country code, and what people put between the digits.
_PLAIN_PHONE: Final = re.compile(r"\+[1-9][\d ()./-]{5,30}", re.ASCII)
_NO_DIGITS: Final = str.maketrans("", "", "+ ()./-")
_PLUS: Final = re.compile("[+\uff0b]")

# What programs and people write where they have nothing to write. It would join strangers into one contact.
_NO_ID: Final = frozenset(
    {
        *("undefined", "null", "none", "nil", "nan", "n/a", "0", "guest", "anonymous", "[object object]"),
        *("unknown", "(not set)", "(none)", "<null>", "[null]", "-", "--", "-1", "false", "anon"),
        *(str(UUID(int=0)), UUID(int=0).hex),
    }
)
# What a person says where an address or a number is asked for, in the eight languages.
_NOTHING: Final = _NO_ID | {
    *("no", "na", ".", "keine", "kein", "aucun", "aucune", "ninguno", "no tengo", "nessuno", "nessuna", "geen"),
    *("nenhum", "brak", "nie mam"),
}
_NO_MAILBOX: Final = frozenset({"noemail", "no-email", "no_email", "no.email"})  # wherever it is
# An address only when its domain is called the same, as in none@none.com.
_NO_ADDRESS: Final = frozenset(
    {"none", "no", "na", "nil", "null", "undefined", "test", "example", "email", "fake", "guest", "anonymous"}
)

# Where it is noted that an identity stood for nothing, while somebody counts that.
ABSENT: Final[ContextVar[list[str] | None]] = ContextVar("absent", default=None)

_NO_ADDRESS_SO_LONG: Final = "The email address is too long"
_NO_PHONE: Final = "not a phone number; write it with its country code, as in +44 1632 960961"


class Identity(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The identities one event names. Strong ones join contacts; `order` and `anonymous_id` are weak.

    `order` leads a refund to who bought, whomever it names: only a trusted sender tells it. It is an order of the
    source `shop` (`/sources/x`), or of the event's own. `contact_id` is ours: only events that Firsthour itself makes
    (follow-up facts, a rep's touch) carry it.
    """

    email: str | None = None
    phone: str | None = None
    user_id: str | None = None
    anonymous_id: str | None = None
    contact_id: UUID | None = None
    order: str | None = None
    shop: str | None = None

    def strong_keys(self, source: str) -> list[str]:
        """Keys that join, strongest first. A user id only means something within its source (`/sources/x`)."""
        keys = []
        if self.email:
            keys.append(f"email:{self.email}")
        if self.phone:
            keys.append(f"phone:{self.phone}")
        if self.user_id:
            keys.append(f"user:{source}:{self.user_id}")
        return keys

    def weak_keys(self, source: str, trust: Trust) -> list[str]:
        """Keys that point to a contact but never merge two that have different e-mail addresses.

        Each source has its own, and public senders another: nobody guesses somebody else's key.
        """
        keys = []
        if self.order:
            keys.append(f"order:{self.shop or source}:{self.order}")
        if self.anonymous_id:
            keys.append(f"anonymous:{source}{'#public' if trust == 'public' else ''}:{self.anonymous_id}")
        return keys

    def primary(self, source: str, trust: Trust = "trusted") -> str | None:
        """The one key that decides the partition and the CloudEvents subject; None if nothing is named."""
        if self.contact_id is not None:
            return f"contact:{self.contact_id}"
        if self.email:  # as `strong_keys` has it, without its list
            return f"email:{self.email}"
        keys = self.strong_keys(source if trust == "trusted" else f"{source}#public") or self.weak_keys(source, trust)
        return keys[0] if keys else None


def identify(
    *,
    email: str | None = None,
    phone: str | None = None,
    user_id: str | None = None,
    anonymous_id: str | None = None,
    order: str | None = None,
) -> Identity:
    """The identity, from normalised parts. Placeholders ("undefined", none@none.com) count as absent.

    Every way in makes its identities here; those in events of the log are taken as they are.
    """
    return Identity(
        email=None if email is None or (_is_no_address(email) and _absent("email")) else email,
        phone=None if phone is None or (_is_no_number(phone) and _absent("phone")) else phone,
        user_id=None if user_id is None or (_is_no_id(user_id) and _absent("user_id")) else user_id,
        anonymous_id=None
        if anonymous_id is None or (_is_no_id(anonymous_id) and _absent("anonymous_id"))
        else anonymous_id,
        order=order,
    )


def says_nothing(text: str, which: str) -> bool:
    """Whether the answer to a question for an address or a number is a word for none (n/a, keine), so absent."""
    return text.strip().lower() in _NOTHING and _absent(which)


def _absent(which: str) -> bool:
    noted = ABSENT.get()
    if noted is not None:
        noted.append(which)
    return True


def _is_no_id(text: str) -> bool:
    plain = (text if text.isascii() else _visible(text)).strip().lower()
    return not plain or plain in _NO_ID or ("@" in plain and _is_no_address(plain))


def _visible(text: str) -> str:
    """The text without what nobody sees, such as a zero-width space."""
    return "".join(character for character in text if unicodedata.category(character) != "Cf")


def _is_no_address(address: str) -> bool:
    local, _, domain = address.rpartition("@")
    return local in _NO_MAILBOX or (local in _NO_ADDRESS and domain.partition(".")[0] == local)


def _is_no_number(phone: str) -> bool:
    """Whether it is one digit again and again after its country code, as in +1 555 555 5555."""
    digits = phone.removeprefix("+").partition(";")[0]
    if digits[3:].strip(digits[-1:]):  # another digit behind even the longest code
        return False
    national = next((digits[length:] for length in (1, 2, 3) if _country(digits[:length]) is not None), digits)
    return len(set(national)) == 1


def normalise_email(text: str) -> str:
    """The address in the one form we compare: NFC, lower case, IDNA domain. Raises ValueError with the reason."""
    if len(text) > LONGEST_ADDRESS:  # the time that it takes grows with it
        text = text.strip()
        if len(text) > LONGEST_ADDRESS:
            raise ValueError(_NO_ADDRESS_SO_LONG)
    plain = text.strip().lower()
    if len(plain) <= _LONGEST_PLAIN and (match := _PLAIN_ADDRESS.fullmatch(plain)) and match[1] not in _SPECIAL:
        return plain  # as the library would have it, in a twentieth of its time
    return _looked_at_email(text.strip())


@lru_cache(maxsize=8192)
def _looked_at_email(text: str) -> str:
    try:
        found = validate_email(text, check_deliverability=False, test_environment=True)
    except EmailNotValidError as error:
        raise ValueError(str(error)) from None
    return unicodedata.normalize("NFC", f"{found.local_part}@{found.ascii_domain}").lower()


def normalise_phone(text: str, region: str | None = None) -> str:
    """The number in E.164 (`+441632960961`). Raises ValueError when it cannot be one.

    With an extension it is `+441632960961;ext=12` (RFC 3966): another telephone than the switchboard's, and than that
    of a colleague.
    """
    if len(text) > _LONGEST_PHONE:  # the time that it takes grows with it
        text = " ".join(text[:_LONGEST_PADDED].split())
        if len(text) > _LONGEST_PHONE:
            raise ValueError(_NO_PHONE)
    return _plain_phone(text) or _looked_at_phone(text, region)


@lru_cache(maxsize=8192)
def _looked_at_phone(text: str, region: str | None) -> str:
    if region is None and not _PLUS.search(text):
        raise ValueError(_NO_PHONE)  # as the library would have it, which takes its time
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        raise ValueError(_NO_PHONE) from None
    if not phonenumbers.is_possible_number(number):
        raise ValueError("not a possible phone number for its country")
    found = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return f"{found};ext={number.extension}" if number.extension else found


def dialled(phone: str) -> set[str]:
    """The digits of a number (E.164) as they are dialled: from abroad, and within its country with or without 0."""
    digits = phone.removeprefix("+").partition(";")[0]
    for length in (1, 2, 3):
        if digits.isdigit() and _country(digits[:length]) is not None:
            national = digits[length:]
            return {digits, national, _before_national(digits[:length]) + national}
    return {digits}


def _plain_phone(text: str) -> str | None:
    """As the library would have it, in a tenth of its time; None when that has to look at it."""
    if _PLAIN_PHONE.fullmatch(text) is None:
        return None
    digits = text.translate(_NO_DIGITS)
    for length in (1, 2, 3):
        country = _country(digits[:length])
        if country is not None:
            national = digits[length:]
            lengths, before_area = country
            plain = (
                len(national) in lengths and national[0] != "0" and not (before_area and before_area.match(national))
            )
            return f"+{digits}" if plain else None
    return None


@lru_cache(maxsize=2048)
def _country(code: str) -> tuple[frozenset[int], re.Pattern[str] | None] | None:
    """How long a country's numbers may be, and what may be dialled before them at home; None when it is no country."""
    region = phonenumbers.region_code_for_country_code(int(code))
    metadata = phonenumbers.PhoneMetadata.metadata_for_region(region)
    if metadata is None or metadata.general_desc is None:
        return None
    prefix = metadata.national_prefix_for_parsing
    return frozenset(metadata.general_desc.possible_length), re.compile(prefix) if prefix else None


def normalise_opaque(text: str) -> str:
    """A sender's own id (user id, anonymous id), trimmed. Raises ValueError when empty or over 256 characters."""
    trimmed = text.strip()
    if not trimmed or len(trimmed) > LONGEST_ID:
        raise ValueError(f"must have 1 to {LONGEST_ID} characters")
    return trimmed


def partition_key(primary: str, secret: bytes) -> bytes:
    """The Kafka key: an opaque keyed hash, so that no address is readable in a log segment.

    Must never change for a running installation, or one contact's events change partition and lose their order.
    """
    keyed = _keyed(secret).copy()
    keyed.update(primary.encode())
    return keyed.digest()[:16].hex().encode()


@lru_cache(maxsize=4)
def _keyed(secret: bytes) -> hmac.HMAC:
    """HMAC-SHA256 that has taken in the secret: a copy of it costs half of what a new one does."""
    return hmac.new(secret, digestmod="sha256")


def derived_event_id(source: str, sender_id: str) -> UUID:
    """The id of an event that its sender already named (messageId, Idempotency-Key, webhook id): a resend is equal."""
    return _ids_of(source)(sender_id)


@lru_cache(maxsize=256)
def _ids_of(source: str) -> Callable[[str], UUID]:
    return ids_of_names(_EVENT_NAMESPACE, f"{source}\n")


@lru_cache(maxsize=256)
def _before_national(code: str) -> str:
    """What is dialled before a number within its country, as the 0 of most."""
    metadata = phonenumbers.PhoneMetadata.metadata_for_region(phonenumbers.region_code_for_country_code(int(code)))
    return (metadata.national_prefix or "") if metadata is not None else ""
