"""Addresses and numbers as people write them into cells: several addresses, numbers in national format."""

from typing import Any

from services.ingest.domain.contact_points import addresses_in, number_in
from shared.places.countries import country_code


def otherwise(data: dict[str, Any], wrong: set[str], *, traits: bool) -> bool:
    """Put right in `data` what cannot be read as it stands; False when nothing can be.

    Of several addresses or numbers it is the first; the others are kept as traits where there are `traits`. Sheets
    hold numbers as at home: with the country they are read, and without it somebody with an address is not lost.
    """
    done = False
    if "/email" in wrong and isinstance(written := data.get("email"), str) and (found := addresses_in(written)):
        data["email"] = found[0]
        if traits and found[1:]:
            _keep(data, "other_emails", ", ".join(found[1:]))
        done = True
    if "/phone" in wrong and isinstance(written := data.get("phone"), str):
        region = country_code(str(data["country"])) if "country" in data else None
        number = number_in(written, region)
        if number is not None:
            data["phone"] = number
        elif done or any(data.get(name) for name in ("email", "user_id", "anonymous_id")):
            del data["phone"]
        else:
            return done
        if traits:
            _keep(data, "phone_as_written", written)
        done = True
    return done


def _keep(data: dict[str, Any], name: str, value: str) -> None:
    data.setdefault("traits", {})[name] = value
