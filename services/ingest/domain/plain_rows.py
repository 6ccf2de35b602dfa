"""Rows of leads in which all is as it should be, read in a fraction of the time; any other is for `read_lead`.

It follows the rules of `read_lead` for text that needs no complaint; a property holds the two to be equal.
"""

from collections.abc import Sequence
from datetime import datetime, tzinfo
from typing import Any, Final

from services.ingest.domain import cells
from services.ingest.domain.cells import DateOrder
from services.ingest.domain.checks import SHORT, name_problem
from services.ingest.domain.columns import LEFT_OUT, TRAIT, Column
from shared.events.identity import Identity, normalise_email, normalise_phone
from shared.events.types import Campaign, LeadCaptured

_TEXTS: Final = ("name", "form", "page", "interest", "message")
_OWN_TRAITS: Final = ("company", "role", "country", "locale", "time_zone", "size")
_OTHERS: Final = ("email", "phone", "user_id", "first_name", "last_name", "occurred_at", "message_id", "row_id")
_CAMPAIGN: Final = "campaign."
_KNOWN: Final = {*_TEXTS, *_OWN_TRAITS, *_OTHERS, *(f"{_CAMPAIGN}{name}" for name in Campaign.__struct_fields__)}
_LONGEST_ID: Final = 256
_MOST_TRAITS: Final = 100


class PlainRows:
    """Reads rows of one sheet. `message_id` and `row_id`: the columns that name the message; None without one."""

    def __init__(self, columns: Sequence[Column], dates: DateOrder | None, zone: tzinfo) -> None:
        """For columns that `are_plain`."""
        at = {column.taken_as: index for index, column in enumerate(columns)}
        self._dates = dates
        self._zone = zone
        self._email, self._phone, self._user_id = at.get("email"), at.get("phone"), at.get("user_id")
        self._first, self._last = at.get("first_name"), at.get("last_name")
        self._names = self._first is not None or self._last is not None
        self._time = at.get("occurred_at")
        self._texts = [(name, at[name]) for name in _TEXTS if name in at]
        self._own_traits = [(name, at[name]) for name in at if name in _OWN_TRAITS]
        self._traits = _below(TRAIT, columns)
        self._campaign = _below(_CAMPAIGN, columns)
        self.message_id, self.row_id = at.get("message_id"), at.get("row_id")

    @staticmethod
    def are_plain(columns: Sequence[Column]) -> bool:
        """Whether all columns are such as can be read here."""
        taken = [column.taken_as for column in columns]
        traits = [name.removeprefix(TRAIT) for name in taken if name.startswith(TRAIT)]
        ours = [name for name in taken if name != LEFT_OUT and not name.startswith(TRAIT)]
        return (
            set(ours) <= _KNOWN
            and len(ours) == len(set(ours))
            and len(traits) <= _MOST_TRAITS
            and not any(map(name_problem, traits))
        )

    def read(self, row: Sequence[str]) -> tuple[LeadCaptured, datetime | None] | None:
        """The lead, and its time or None; None when there is something to look at twice."""
        joined = "".join(row)
        if "\0" in joined or (len(joined) > SHORT and max(map(len, row)) > SHORT):
            return None
        identity = self._identity(row)
        if identity is None:
            return None
        time = None
        if self._time is not None and (written := row[self._time]):
            time = cells.moment(written, self._dates, self._zone)
            if time is None:
                return None
        said: dict[str, Any] = {name: value for name, index in self._texts if (value := row[index].strip())}
        if self._names and "name" not in said:
            name = self._name_of(row)
            if len(name) > SHORT:
                return None
            said["name"] = name or None
        if self._campaign and (campaign := {name: value for name, i in self._campaign if (value := row[i].strip())}):
            said["campaign"] = Campaign(**campaign)
        return LeadCaptured(identity=identity, traits=self._traits_of(row), **said), time

    def _name_of(self, row: Sequence[str]) -> str:
        parts = (row[index].strip() for index in (self._first, self._last) if index is not None)
        return " ".join(part for part in parts if part)

    def _traits_of(self, row: Sequence[str]) -> dict[str, str]:
        traits = {name: value for name, index in self._traits if (value := row[index])}
        for name, index in self._own_traits:
            if (value := row[index].strip()) and name not in traits:
                traits[name] = value
        return traits

    def _identity(self, row: Sequence[str]) -> Identity | None:
        email = phone = user_id = None
        try:
            if self._email is not None and (written := row[self._email].strip()):
                email = normalise_email(written)
            if self._phone is not None and (written := row[self._phone].strip()):
                phone = normalise_phone(written)
        except ValueError:
            return None
        if self._user_id is not None and (written := row[self._user_id].strip()):
            if len(written) > _LONGEST_ID:
                return None
            user_id = written
        if email is None and phone is None and user_id is None:
            return None
        return Identity(email=email, phone=phone, user_id=user_id)


def _below(beginning: str, columns: Sequence[Column]) -> list[tuple[str, int]]:
    """What the name of each field that begins so goes on with, and its column."""
    taken = [(column.taken_as, index) for index, column in enumerate(columns)]
    return [(name.removeprefix(beginning), index) for name, index in taken if name.startswith(beginning)]
