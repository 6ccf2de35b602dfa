"""Rows of leads in which all is as it should be, read in a fraction of the time; any other is for `read_lead`.

It follows the rules of `read_lead` for text that needs no complaint; a property holds the two to be equal.
"""

import re
from collections.abc import Sequence
from datetime import datetime, tzinfo
from typing import Any, Final

from msgspec.structs import replace

from services.ingest.domain.checks import SHORT, name_problem
from services.ingest.domain.names import person_name
from services.ingest.domain.plain.leads import OWN_TRAITS
from services.ingest.domain.sheets import cells
from services.ingest.domain.sheets.beside import proof_of
from services.ingest.domain.sheets.choices import DateOrder
from services.ingest.domain.sheets.columns import LEFT_OUT, TRAIT, Column
from services.ingest.domain.sheets.opt_outs import KEPT, SEVERAL, OptOuts
from shared.events.identity import LONGEST_ID, Identity, identify, normalise_email, normalise_phone, says_nothing
from shared.events.types import Campaign, Consent, LeadCaptured

_TEXTS: Final = ("name", "form", "page", "interest", "message")
_OTHERS: Final = ("email", "phone", "user_id", "first_name", "last_name", "occurred_at", "consent", "consent.wording",
                  "currency", "message_id", "row_id", *SEVERAL)  # fmt: skip
_NOT_HERE: Final = ("estimated_value", "anonymous_id")  # a row in which one is given is looked at twice
_CAMPAIGN: Final = "campaign."
_KNOWN: Final = {
    *_TEXTS,
    *OWN_TRAITS,
    *_OTHERS,
    *_NOT_HERE,
    *(f"{_CAMPAIGN}{name}" for name in Campaign.__struct_fields__),
}
_MOST_TRAITS: Final = 100
_NOBODY: Final = Identity()
_UNSAID: Final = Consent()
# Numbers that can be read after all.
_SEVERAL: Final = re.compile(r"^\s*\(?00|[,;|\n]|:::|\s/\s|\d\s(?:or|oder|ou|o|of|lub)\s")


class PlainRows:
    """Reads rows of one sheet. `message_id` and `row_id`: the columns that name the message; None without one."""

    def __init__(self, columns: Sequence[Column], dates: DateOrder | None, zone: tzinfo) -> None:
        """For columns that `are_plain`."""
        at = {column.taken_as: index for index, column in enumerate(columns)}
        self._opt_outs = OptOuts([column.taken_as for column in columns])
        self._proofs = [proof_of(column).strip() for column in columns]
        self._dates = dates
        self._zone = zone
        self._email, self._phone, self._user_id = at.get("email"), at.get("phone"), at.get("user_id")
        self._first, self._last = at.get("first_name"), at.get("last_name")
        self._names = self._first is not None or self._last is not None
        self._time, self._country = at.get("occurred_at"), at.get("country")
        self._consent, self._wording = at.get("consent"), at.get("consent.wording")
        self._texts = [(name, at[name]) for name in _TEXTS if name in at]
        self._own_traits = [(name, at[name]) for name in at if name in OWN_TRAITS]
        states = [(column.name, index) for index, column in enumerate(columns) if column.taken_as in KEPT]
        self._traits = _below(TRAIT, columns) + states
        self._campaign = _below(_CAMPAIGN, columns)
        self._not_here = [at[name] for name in _NOT_HERE if name in at]
        self.message_id, self.row_id = at.get("message_id"), at.get("row_id")

    @staticmethod
    def are_plain(columns: Sequence[Column]) -> bool:
        """Whether all columns are such as can be read here."""
        taken = [column.taken_as for column in columns]
        traits = [name.removeprefix(TRAIT) for name in taken if name.startswith(TRAIT)]
        traits += [column.name for column in columns if column.taken_as in SEVERAL]
        several = (LEFT_OUT, *SEVERAL)
        ours = [name for name in taken if name not in several and not name.startswith(TRAIT)]
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
        if identity is None or (self._not_here and any(row[index] for index in self._not_here)):
            return None
        time = None
        if self._time is not None and (written := row[self._time]):
            time = cells.moment(written, self._dates, self._zone)
            if time is None:
                return None
        said = self._said(row)
        if said is None:
            return None
        if self._opt_outs.any:
            self._opted(row, said)
        traits = self._traits_of(row)
        if self._phone is not None and identity.phone is None and row[self._phone].strip():
            traits["phone_as_written"] = row[self._phone]
        return LeadCaptured(identity=identity, traits=traits, **said), time

    def _identity(self, row: Sequence[str]) -> Identity | None:
        """A number without its country is no phone, but somebody with an address is not lost for that."""
        user_id = row[self._user_id].strip() if self._user_id is not None else ""
        if len(user_id) > LONGEST_ID:
            return None
        email = phone = None
        if self._email is not None and (written := row[self._email].strip()):
            try:
                email = normalise_email(written)
            except ValueError:
                return None
        if self._phone is not None and (written := row[self._phone].strip()):
            try:
                phone = normalise_phone(written)
            except ValueError:
                at_home = self._country is not None and row[self._country]
                if at_home or _SEVERAL.search(written) or says_nothing(written, "phone"):
                    return None
        identity = identify(email=email, phone=phone, user_id=user_id or None)
        if identity == _NOBODY or identity.phone != phone:  # nobody's number is not kept as a trait either
            return None
        return identity

    def _said(self, row: Sequence[str]) -> dict[str, Any] | None:
        said: dict[str, Any] = {name: value for name, index in self._texts if (value := row[index].strip())}
        if self._names:
            first, last = (row[index].strip() if index is not None else None for index in (self._first, self._last))
            if first or last:
                name = person_name(said.get("name"), first, last)
                if name is not None and len(name) > SHORT:
                    return None
                said["name"] = name
        if self._campaign and (campaign := {name: value for name, i in self._campaign if (value := row[i].strip())}):
            said["campaign"] = Campaign(**campaign)
        if self._consent is not None and (written := row[self._consent]):
            plain = written.strip().lower()
            if plain not in cells.YES and plain not in cells.NO:
                return None
            wording = row[self._wording].strip() if self._wording is not None else ""
            said["consent"] = Consent(email=plain in cells.YES, wording=wording or None)
        return said

    def _opted(self, row: Sequence[str], said: dict[str, Any]) -> None:
        """What the columns beside that of the consent say: a no always, a yes where nothing else is said."""
        for channel, (given, index) in self._opt_outs.said(row).items():
            before = said.get("consent")
            if not given or before is None or getattr(before, channel) is None:
                told: dict[str, Any] = {channel: given, "proof": self._proofs[index]}
                said["consent"] = replace(before or _UNSAID, **told)

    def _traits_of(self, row: Sequence[str]) -> dict[str, str]:
        traits = {name: value for name, index in self._traits if (value := row[index])}
        for name, index in self._own_traits:
            if (value := row[index].strip()) and name not in traits:
                traits[name] = value
        return traits


def _below(beginning: str, columns: Sequence[Column]) -> list[tuple[str, int]]:
    """What the name of each field that begins so goes on with, and its column."""
    taken = [(column.taken_as, index) for index, column in enumerate(columns)]
    return [(name.removeprefix(beginning), index) for name, index in taken if name.startswith(beginning)]
