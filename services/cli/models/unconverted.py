"""The warning of `firsthour check` about amounts without a rate, if the database is reachable."""

from collections import defaultdict
from datetime import timedelta
from typing import Final

from services.cli.service_database import connected
from services.cli.unreachable import Unreachable
from services.scoring.config import FILE, load_scoring
from services.scoring.store import unconverted
from shared.clock import utc_now
from shared.errors import ConfigProblem
from shared.settings import Settings

_DAYS: Final = 30


async def amounts_without_a_rate(settings: Settings) -> list[ConfigProblem]:
    """One warning that names each currency, or none, as when Postgres does not answer or holds nothing yet."""
    model = load_scoring(settings.config)
    try:
        async with connected(settings.database_url(), "scoring") as conn:
            seen = await unconverted.since(conn, (utc_now() - timedelta(days=_DAYS)).date())
    except Unreachable:
        return []
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for missing, amounts in seen.items():
        if model.pricing.rates.on(missing.currency, missing.day) is None:
            counts[missing.currency][0] += amounts.orders
            counts[missing.currency][1] += amounts.estimates
    if not counts:
        return []
    said = ", ".join(f"{currency} ({_counted(*each)})" for currency, each in sorted(counts.items()))
    return [
        ConfigProblem(settings.config / FILE, None, "rates", f"seen in the last {_DAYS} days without a rate: {said}")
    ]


def _counted(orders: int, estimates: int) -> str:
    words = ((orders, "order", "orders"), (estimates, "estimate", "estimates"))
    return ", ".join(f"{count} {one if count == 1 else many}" for count, one, many in words if count)
