"""What a single value of `scoring.yaml` may be, and what is said of any other."""

from datetime import date
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from shared.durations import parse_duration
from shared.money import is_amount, is_currency
from shared.places.countries import country_code
from shared.places.zones import zone_named


def _currency(text: str) -> str:
    if not is_currency(text):
        raise ValueError("must be an ISO 4217 code such as EUR")
    return text


def _amount(text: str) -> str:
    if not is_amount(text):
        raise ValueError('must be a plain decimal number in quotes, such as "12.00"')
    return text


def _length(text: str) -> str:
    parse_duration(text)
    return text


def _country(text: str) -> str:
    code = country_code(text)
    if code is None:
        raise ValueError("must be a country such as DE")
    return code


def _time_zone(text: str) -> str:
    zone = zone_named(text)
    if zone is None:
        raise ValueError("must be a time zone such as Europe/Berlin")
    return zone


def _domain(text: str) -> str:
    domain = text.strip().lower().removeprefix("@")
    if "." not in domain or any(each.isspace() or each in "@/" for each in domain):
        raise ValueError("must be a domain such as example.com")
    return domain


Currency = Annotated[str, AfterValidator(_currency)]
Amount = Annotated[str, AfterValidator(_amount)]
Length = Annotated[str, AfterValidator(_length)]
Country = Annotated[str, AfterValidator(_country)]
TimeZone = Annotated[str, AfterValidator(_time_zone)]
Domain = Annotated[str, AfterValidator(_domain)]


def _rate(text: str) -> str:
    if not is_amount(text) or float(text) <= 0:
        raise ValueError('must be a decimal number above 0 in quotes, such as "0.86"')
    return text


def _day(text: str) -> str:
    try:
        date.fromisoformat(text)
    except ValueError:
        raise ValueError("must be a day such as 2026-01-01") from None
    return text


def _days_as_text(table: Any) -> Any:
    """YAML reads 2026-01-01 as a date; as text it is named in errors as it stands in the file."""
    return {str(day): rate for day, rate in table.items()} if isinstance(table, dict) else table


RateTable = Annotated[
    dict[Annotated[str, AfterValidator(_day)], Annotated[str, AfterValidator(_rate)]], BeforeValidator(_days_as_text)
]
Share = Annotated[float, Field(gt=0, lt=1)]
Number = Annotated[float, Field(allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotAbove0 = Annotated[float, Field(le=0, allow_inf_nan=False)]
