"""When it happened, by the columns of a row: the date, and the time of day and the zone where they stand apart."""

import re
from collections.abc import Mapping
from datetime import tzinfo
from functools import lru_cache
from typing import Any, ClassVar, Final
from zoneinfo import ZoneInfo

from services.ingest.domain.checks import Wrong
from services.ingest.domain.sheets import cells
from services.ingest.domain.sheets.choices import DateOrder
from shared.places.zones import zone_named

_TIME: Final = re.compile(r"\d{1,2}:\d\d(?::\d\d)?(?:\s*[AaPp]\.?[Mm]\.?)?", re.ASCII)
_EXAMPLES: Final[Mapping[DateOrder | None, str]] = {
    None: "2026-01-31 10:00", "dmy": "31/01/2026 10:00", "mdy": "01/31/2026 10:00"
}  # fmt: skip


class When:
    """Reads it from the rows of one sheet. `zone` is for times without their own."""

    TAKEN: ClassVar = ("occurred_time", "occurred_zone")

    def __init__(self, dates: DateOrder | None, zone: tzinfo) -> None:
        self._dates, self._zone = dates, zone

    def tell(self, cell: Mapping[str, Any], data: dict[str, Any], wrong: list[Wrong]) -> None:
        """Put the moment into `data`, or note that there is none."""
        text = str(cell["occurred_at"]).strip()
        time = str(cell.get("occurred_time", "")).strip()
        if ":" not in text and _TIME.fullmatch(time):
            text = f"{text} {time}"
        zone = _zone(str(cell["occurred_zone"])) if "occurred_zone" in cell else None
        found = cells.moment(text, self._dates, zone or self._zone)
        if found is not None:
            data["occurred_at"] = found.isoformat()
        elif text:
            wrong.append(Wrong("/occurred_at", f"must be a date and time such as {_EXAMPLES[self._dates]}"))


@lru_cache(maxsize=256)
def _zone(written: str) -> tzinfo | None:
    name = zone_named(written) or zone_named(written, "US")  # PST in a report of payments is that of California
    return None if name is None else ZoneInfo(name)
