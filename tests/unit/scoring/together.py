"""A lead model in which features say something only together. Its edges lie where no count of a test comes to lie."""

from services.scoring.domain.lead.features import Bins, Levels, Pair
from services.scoring.domain.lead.learnt import LeadModel, Weighed
from services.scoring.domain.lead.together import UNIT, Column, Together, Tree, WeighedPair

_ASKED = (
    Column("trait:size", (2.5, 60.5), {}),
    Column("source", None, {"website": 1, "shop": 2, "missing": 3}),
    Column("age", (1.37,), {}),
    Column("did:page_viewed", (0.613, 3.217), {}),
)


def _units(log_odds: float) -> int:
    return round(log_odds / UNIT)


TOGETHER = Together(
    (
        WeighedPair(
            Pair("trait:size", "trait:country", (Bins((20.0,)), Levels(frozenset({"de", "fr"})))),
            {"1|de": 0.2, "0|de": -0.3, "missing|missing": 0.05},
        ),
    ),
    _ASKED,
    (
        # Of at least 60.5: on to the source; of others to what was viewed.
        Tree((0, 3, 1), (0b1000, 0b1100, 0b0110), tuple(map(_units, (-0.125, 0.25, -0.5, 0.125)))),
        # Who is young and from nowhere we know; the last question tells nothing apart.
        Tree((2, 1, 0), (0b100, 0b1001, 0), tuple(map(_units, (-0.25, 0.5, 1.0, 9.0)))),
    ),
)
LEARNT = LeadModel(
    "lead-test",
    "",
    -0.2,
    source=(Weighed("source", Levels(frozenset({"website"})), {"website": 0.3}),),
    traits=(Weighed("trait:size", Bins((10.0, 100.0)), {"0": -0.5, "1": 0.1, "2": 0.4, "missing": 0.05}),),
    engagement=(Weighed("did:page_viewed", Bins((0.613,)), {"0": -0.05, "1": 0.3}),),
    time=(Weighed("age", Bins((1.37, 7.19)), {"0": 0.2, "1": 0.0, "2": -0.4}),),
    together=TOGETHER,
)
