"""What learnt models cost of folding an event: the same events by the scorecard alone, and by learnt models, in turns.

Everything that scoring does with an event in Python (decoding, identity, fold, values, bookings, the update, the state
as stored), without Kafka and Postgres; processor time, so a busy machine changes little. Aim: at most 15 % more.

    python -m benchmarks.models
"""

import argparse
import gc
import itertools
import random
import statistics
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry

from benchmarks.backlog import mixed
from services.scoring.config import load_scoring
from services.scoring.consume.batch import Batch
from services.scoring.consume.handler import Scoring
from services.scoring.domain.contact.contact import encode_state
from services.scoring.domain.customer.population import CustomerModel
from services.scoring.domain.customer.purchases import PurchaseModel
from services.scoring.domain.customer.rfm import RfmCuts
from services.scoring.domain.customer.spend import SpendModel
from services.scoring.domain.lead.features import Bins, Levels, Pair
from services.scoring.domain.lead.learnt import LeadModel, Weighed
from services.scoring.domain.lead.together import Column, Together, Tree, WeighedPair
from services.scoring.domain.model.model import Model
from services.scoring.metrics import Metrics
from services.scoring.models import InForce
from shared.clock import new_id, utc_now
from shared.events.envelope import decode
from shared.kafka.records import Record
from shared.kafka.topics import Topics

ROOT: Final = Path(__file__).parents[1]
_BATCH: Final = 500
_AIM: Final = 1.15
_TRAITS: Final = (
    "company",
    "country",
    "size",
    "role",
    "industry",
    "plan",
    "city",
    "budget",
    "team",
    "tool",
    "lang",
    "x",
)
_KINDS: Final = (
    "page_viewed",
    "email_opened",
    "email_clicked",
    "content_downloaded",
    "webinar_attended",
    "feedback_given",
)


def _numbers(name: str, edges: Sequence[float]) -> Weighed:
    levels = ["missing", *map(str, range(len(edges) + 1))]
    return Weighed(name, Bins(tuple(edges)), {level: 0.01 * place for place, level in enumerate(levels)})


def _words(name: str, words: Sequence[str]) -> Weighed:
    return Weighed(name, Levels(frozenset(words)), dict.fromkeys(words, 0.05))


def _together(features: Sequence[Weighed]) -> Together:
    """As much as there can be: 24 pairs, and 300 trees of all columns."""
    dice = random.Random(3)
    edges = tuple(n / 10 for n in range(1, 63))
    asked = [
        Column(each.name, edges, {})
        if isinstance(each.feature, Bins)
        else Column(each.name, None, {word: level for level, word in enumerate(each.weights, start=1)})
        for each in features
    ]

    def question(column: int) -> int:
        width = len(edges) + 2 if asked[column].edges else len(asked[column].words) + 1
        return (1 << width) - (1 << dice.randrange(1, width))

    trees = []
    for _ in range(300):
        columns = tuple(dice.randrange(len(asked)) for _ in range(31))
        values = tuple(round(dice.gauss(0, 80)) for _ in range(32))
        trees.append(Tree(columns, tuple(question(column) for column in columns), values))
    pairs = []
    for _ in range(24):
        one, other = dice.sample(features, 2)
        cells = {f"{a}|{b}": 0.01 for a in one.weights for b in other.weights}
        pairs.append(WeighedPair(Pair(one.name, other.name, (one.feature, other.feature)), cells))
    return Together(tuple(pairs), tuple(asked), tuple(trees))


def learnt(settings: Model) -> Model:
    """The settings with models as large as a fit makes them: 12 traits, 6 kinds of engagement, ten bins each."""
    tenths = [n / 2 for n in range(1, 10)]
    lead = LeadModel(
        "lead-benchmark",
        settings.scorecard.odds,
        0.1,
        source=(_words("source", ["website", "shop", "fair"]),),
        traits=(
            *(_words(f"trait:{name}", ["analytical engines", "de", "120", "other"]) for name in _TRAITS),
            _words("interest", ["pricing", "demo"]),
            _words("phone", ["yes", "no"]),
        ),
        engagement=(_numbers("engagement", tenths), *(_numbers(f"did:{kind}", tenths) for kind in _KINDS)),
        time=(_numbers("age", [1, 2, 3, 5, 7, 10, 14, 21, 30]),),
    )
    lead = replace(lead, together=_together(lead.features))
    customer = CustomerModel(
        "customer-benchmark",
        PurchaseModel("mbg", 0.525, 6.183, 0.891, 1.614),
        SpendModel(6.25, 3.74, 15.44),
        RfmCuts((10.0, 20.0, 40.0, 80.0), (1.0, 2.0, 3.0, 5.0), (1000.0, 2000.0, 5000.0, 9000.0)),
    )
    return settings.with_learnt(lead, customer)


def seconds(model: Model, records: Sequence[Record]) -> float:
    """Processor seconds for each event."""
    topics = Topics()
    scoring = Scoring(InForce(model), topics, Metrics(CollectorRegistry()), utc_now, new_id)
    batch = Batch(model, utc_now(), {}, {}, new_id)
    gc.collect()
    started = time.process_time()
    for begin in range(0, len(records), _BATCH):
        for record in records[begin : begin + _BATCH]:
            decoded = decode(record.value)
            scoring._update(record, decoded, batch.fold(decoded))  # noqa: SLF001 - what it does with each event
        for state in (*batch.to_insert(), *batch.to_update()):
            encode_state(state)
        batch = Batch(model, utc_now(), batch.states, batch.keys, new_id, orders=batch.orders)
    return (time.process_time() - started) / len(records)


def _records(count: int) -> list[Record]:
    topic = Topics().events
    return [Record(topic, 0, offset, None, each.value, 0) for offset, each in enumerate(mixed(count, topic))]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=7)
    given = parser.parse_args()
    settings = load_scoring(ROOT / "config")
    records = _records(given.events)
    taken: dict[str, list[float]] = {"scorecard": [], "learnt": []}
    for _ in itertools.repeat(None, given.rounds):
        for name, model in (("scorecard", settings), ("learnt", learnt(settings))):
            taken[name].append(seconds(model, records) * 1e6)
    ratio = statistics.median(b / a for a, b in zip(taken["scorecard"], taken["learnt"], strict=True))
    for name, each in taken.items():
        print(f"{name}: {statistics.median(each):.1f} µs an event")
    print(f"ratio: {ratio:.3f} (aim {_AIM})")
    return 0 if ratio <= _AIM else 1


if __name__ == "__main__":
    raise SystemExit(main())
