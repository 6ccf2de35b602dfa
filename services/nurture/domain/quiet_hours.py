"""Quiet hours, on the contact's own clock."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from services.nurture.domain.workflow import QuietHours
from shared.durations import instant


def after_quiet_hours(moment: datetime, quiet: QuietHours, zone: ZoneInfo) -> datetime:
    """`moment` itself when it is outside the quiet hours, else the moment at which they end; in UTC."""
    wall = moment.astimezone(zone).replace(tzinfo=None, fold=0)
    clock = wall.time()
    if quiet.start <= quiet.end:
        inside = quiet.start <= clock < quiet.end
        ends_on = wall.date()
    else:  # across midnight
        inside = clock >= quiet.start or clock < quiet.end
        ends_on = wall.date() + timedelta(days=1 if clock >= quiet.start else 0)
    if not inside:
        return moment.astimezone(UTC)
    return max(instant(datetime.combine(ends_on, quiet.end), zone), moment.astimezone(UTC))
