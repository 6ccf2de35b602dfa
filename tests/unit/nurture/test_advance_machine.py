"""Any workflow under any order of events, repeats, late timers and a clock that jumps."""

from datetime import datetime, timedelta
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from services.nurture.domain.advance import advance
from services.nurture.domain.context import ContactUpdate
from services.nurture.domain.deliveries.delivery import NewDelivery
from services.nurture.domain.enrolment import (
    Arrived,
    Decision,
    Due,
    Enrolment,
    Stimulus,
    decode_enrolment,
    encode_enrolment,
)
from services.nurture.domain.entry import begin
from services.nurture.domain.workflow import Workflow
from services.nurture.language.compile import compile_workflow
from tests.unit.nurture.builders import NOW, a_contact, a_workflow, an_update

CONDITIONS = ["lead.value >= 500.00", 'contact.country == "DE"', "contact.traits.missing > 1", 'event.form == "x"']
LENGTHS = ["5s", "15m", "2h", "1d", "3d12h"]
WAITED = [("contact.touched", "event.human"), ("engagement.recorded", None), ("feedback.given", "event.score > 5.0")]

sends = st.one_of(
    st.builds(lambda name: {"send": {"webhook": name, "deadline": "5m"}}, st.sampled_from(["a", "b"])),
    st.just({"send": {"email": "thanks"}}),
    st.just({"send": {"task": "call", "deadline": "5m", "fallback": {"webhook": "a"}}}),
)
waits = st.builds(
    lambda length, quiet: {"wait": {"for": length} | ({"respect": "quiet_hours"} if quiet else {})},
    st.sampled_from(LENGTHS),
    st.booleans(),
)


def wait_fors(inner: st.SearchStrategy[list[Any]]) -> st.SearchStrategy[list[Any]]:
    def built(waited: tuple[str, str | None], timeout: str, otherwise: list[Any] | None) -> list[Any]:
        event, where = waited
        step: dict[str, Any] = {"event": event, "timeout": timeout} | ({"where": where} if where else {})
        return [{"wait_for": step}, *([{"on_timeout": otherwise}] if otherwise else [])]

    return st.builds(built, st.sampled_from(WAITED), st.sampled_from(LENGTHS), st.none() | inner)


def branches(inner: st.SearchStrategy[list[Any]]) -> st.SearchStrategy[list[Any]]:
    arm = st.builds(lambda when, steps: {"when": when, "steps": steps}, st.sampled_from(CONDITIONS), inner)
    return st.builds(
        lambda arms, last: [{"branch": [*arms, *([{"else": last}] if last else [])]}],
        st.lists(arm, min_size=1, max_size=2),
        st.none() | inner,
    )


def lists_of(piece: st.SearchStrategy[list[Any]]) -> st.SearchStrategy[list[Any]]:
    return st.builds(
        lambda pieces, leave: [step for piece in pieces for step in piece] + (["exit"] if leave else []),
        st.lists(piece, min_size=1, max_size=4),
        st.booleans(),
    )


simple = st.builds(lambda step: [step], sends | waits)
step_lists = st.recursive(
    lists_of(simple), lambda inner: lists_of(simple | wait_fors(inner) | branches(inner)), max_leaves=4
)
events = st.tuples(
    st.sampled_from(
        ["contact.touched", "engagement.recorded", "feedback.given", "purchase.completed", "lead.captured"]
    ),
    st.booleans(),
)


class Life(RuleBasedStateMachine):
    """One run from its trigger on. `log` is enough to live it again."""

    def __init__(self) -> None:
        super().__init__()
        self.now = NOW
        self.workflow: Workflow
        self.start: ContactUpdate
        self.run: Enrolment
        self.log: list[tuple[Stimulus, datetime]] = []
        self.decisions: list[Decision] = []
        self.deliveries: list[NewDelivery] = []
        self.heard: list[ContactUpdate] = []
        self.count = 0

    @initialize(steps=step_lists, lead=st.sampled_from([0, 60_000]))
    def begins(self, steps: list[Any], lead: int) -> None:
        self.workflow = a_workflow(*steps)
        self.start = an_update(lead=lead)
        self.took(begin(self.workflow, self.start, self.now))

    def took(self, decision: Decision) -> None:
        self.decisions.append(decision)
        self.run = decode_enrolment(encode_enrolment(decision.enrolment))
        assert self.run == decision.enrolment
        self.deliveries += decision.deliveries

    def stimulate(self, stimulus: Stimulus) -> None:
        before = self.run
        decision = advance(self.workflow, before, stimulus, self.now)
        assert decision == advance(self.workflow, before, stimulus, self.now)
        assert decision.changed == (decision.enrolment != before)
        if before.status != "active":
            assert not decision.deliveries
            assert not decision.cancel
            assert decision.enrolment.status == before.status
        if decision.enrolment.status == "goal_reached":
            assert decision.deliveries == () or before.status == "active"
        assert decision.cancel == (before.status == "active" and decision.enrolment.status == "goal_reached")
        self.log.append((stimulus, self.now))
        self.took(decision)

    @rule(event=events, ago=st.integers(-600, 600), version=st.integers(1, 9), lead=st.sampled_from([0, 60_000]))
    def something_happens(self, event: tuple[str, bool], ago: int, version: int, lead: int) -> None:
        kind, yes = event
        self.count += 1
        fields: dict[str, dict[str, Any]] = {
            "contact.touched": {"human": yes, "who": "ana", "channel": "phone"},
            "engagement.recorded": {"kind": "page_viewed"},
            "feedback.given": {"score": 9 if yes else 1},
        }
        update = an_update(
            kind,
            name=f"event {self.count}",
            time=self.now - timedelta(seconds=ago),
            lead=lead,
            contact=a_contact(version=version),
            **fields.get(kind, {}),
        )
        self.heard.append(update)
        self.stimulate(Arrived(update))

    @precondition(lambda self: self.heard)
    @rule(data=st.data())
    def the_same_again(self, data: st.DataObject) -> None:
        before, update = self.run, data.draw(st.sampled_from(self.heard))
        self.stimulate(Arrived(update))
        waiting = before.waiting
        if waiting is None or waiting.until >= min(self.now, update.event.time):
            assert self.run == before  # else the late time-out came first

    @rule()
    def the_trigger_again(self) -> None:
        before = self.run
        self.stimulate(Arrived(self.start))
        assert self.run == before

    @rule(seconds=st.integers(-3600, 400_000))
    def the_clock_jumps(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @rule()
    def the_timer_fires(self) -> None:
        before = self.run
        self.stimulate(Due())
        if before.due_at is None or self.now < before.due_at:
            assert self.run == before

    @invariant()
    def nothing_twice(self) -> None:
        keys = [(delivery.step, delivery.channel) for delivery in self.deliveries]
        assert len(keys) == len(set(keys))
        assert len({delivery.id for delivery in self.deliveries}) == len(self.deliveries)

    @invariant()
    def a_run_waits_or_has_ended(self) -> None:
        active = self.run.status == "active"
        assert active == (self.run.waiting is not None) == (self.run.position is not None)
        assert active == (self.run.ended_at is None)

    def teardown(self) -> None:
        if not self.log and not self.decisions:
            return
        # Lived again from its stored version and its log, it makes the same decisions.
        workflow = compile_workflow(self.workflow.source)
        assert workflow.version == self.workflow.version
        again = [begin(workflow, self.start, NOW)]
        for stimulus, now in self.log:
            again.append(advance(workflow, again[-1].enrolment, stimulus, now))
        assert again == self.decisions
        # Timers alone bring every run to its end.
        for _ in range(len(self.workflow.steps) + 1):
            if self.run.due_at is None:
                break
            self.now = max(self.now, self.run.due_at)
            self.stimulate(Due())
        assert self.run.status != "active"


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=150, stateful_step_count=25, deadline=None)
