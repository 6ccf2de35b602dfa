"""Whatever any way in accepts, for minutes, onto contacts that grow: scoring folds it, it fits, nurture takes it.

The same draws as tests/unit/ingest/test_goes_on.py, but one world that remembers. Ends with 1 at the first dead letter,
and says what was sent.

    python -m benchmarks.goes_on --minutes 5
"""

import argparse
import time
from typing import Any

import msgspec
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from services.ingest.domain.fact import Fact, Refused
from services.scoring.consume.batch import Batch
from shared.clock import new_id, utc_now
from shared.events.envelope import Trust, decode, encode, make_event
from shared.events.types import CostRecorded
from shared.http.problems import Problem
from shared.kafka.topics import LARGEST_EVENT
from tests.support.onwards import nurtured, update_of
from tests.unit.ingest.ways_in import WAYS, Read
from tests.unit.scoring.builders import MODEL

_PEOPLE = 20  # the fewer, the more each of them hears
_ROUND = 200
_DRAWN = st.tuples(
    st.sampled_from(sorted(WAYS)).flatmap(lambda way: st.tuples(st.just(way), WAYS[way])),
    st.sampled_from(["trusted", "public"]),
    st.integers(1, _PEOPLE),
)


class World:
    """Every contact that was ever heard of, in one batch that never ends."""

    def __init__(self) -> None:
        self.batch = Batch(MODEL, utc_now(), {}, {}, new_id)
        self.accepted = self.refused = self.largest = 0
        self.slowest_ms = 0.0
        self.last: tuple[str, Fact] | None = None

    def take(self, way: str, read: Read, trust: Trust, person: int) -> None:
        """Read it; whatever is accepted goes on."""
        try:
            facts = list(read())
        except (Refused, Problem):
            self.refused += 1
            return
        for fact in facts:
            if isinstance(fact.data, CostRecorded):
                continue  # about no contact
            self.last = (way, fact)
            self._fold(_about(fact, person), trust)
        self.last = None

    def _fold(self, fact: Fact, trust: Trust) -> None:
        source, now = "/sources/x", utc_now()
        event = make_event(
            id=new_id(), source=source, type=fact.type, time=fact.time or now, receivedtime=now,
            subject=fact.identity.primary(source, trust), data=fact.data, trust=trust,
        )  # fmt: skip
        value = encode(event)
        if len(value) > LARGEST_EVENT:
            return
        begun = time.perf_counter()
        decoded = decode(value)
        sent = update_of(decoded, self.batch.fold(decoded))
        nurtured(sent)
        self.accepted += 1
        self.slowest_ms = max(self.slowest_ms, (time.perf_counter() - begun) * 1000)
        self.largest = max(self.largest, len(sent))


def _about(fact: Fact, person: int) -> Fact:
    """The same, said of one of many: what names somebody names this one."""
    identity = fact.identity
    changed: dict[str, Any] = {}
    if identity.email:
        changed["email"] = f"person{person}@example.com"
    if identity.user_id:
        changed["user_id"] = f"u-{person}"
    if identity.phone:
        changed["phone"] = f"+441632960{person // 3:03d}"  # a switchboard
    named = msgspec.structs.replace(identity, **changed)
    data = msgspec.structs.replace(fact.data, identity=named)
    return msgspec.structs.replace(fact, identity=named, data=data)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=5)
    end = time.monotonic() + parser.parse_args().minutes * 60
    world = World()

    @settings(max_examples=_ROUND, deadline=None, database=None, phases=[Phase.generate],
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(drawn=_DRAWN)
    def more(drawn: tuple[tuple[str, Read], Trust, int]) -> None:
        if time.monotonic() < end:
            (way, read), trust, person = drawn
            world.take(way, read, trust, person)

    while time.monotonic() < end:
        try:
            more()
        except BaseException:
            print(f"a dead letter: {world.last}", flush=True)
            raise
    states = {contact_id: len(msgspec.json.encode(state)) for contact_id, state in world.batch.states.items()}
    print(
        f"{world.accepted} events, {world.refused} messages refused, no dead letter; {len(states)} contacts, the "
        f"largest {max(states.values(), default=0) / 1000:.0f} kB, the largest update {world.largest / 1000:.0f} kB, "
        f"the slowest {world.slowest_ms:.0f} ms from event to decision"
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
