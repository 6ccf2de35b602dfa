import signal

from hypothesis import given
from hypothesis import strategies as st

from shared.runtime.stop_signals import STOPPING, StopSignals

INT, TERM, HUP = signal.SIGINT, signal.SIGTERM, signal.SIGHUP


def answers(*numbers: signal.Signals) -> list[str]:
    signals = StopSignals()
    return [signals.came(number) for number in numbers]


def test_the_first_stops_and_a_second_of_any_kind_changes_nothing() -> None:
    assert answers(TERM, TERM, TERM, TERM, HUP, INT, INT) == ["stop", *["wait"] * 6]
    assert answers(INT, TERM) == ["stop", "wait"]
    assert answers(INT, INT) == ["stop", "wait"], "a terminal and make pass one Ctrl-C on twice"


def test_the_third_ctrl_c_hurries_it() -> None:
    assert answers(INT, INT, INT, INT) == ["stop", "wait", "hurry", "wait"]
    assert answers(TERM, INT, INT, INT) == ["stop", "wait", "wait", "hurry"]


@given(st.lists(st.sampled_from(STOPPING)))
def test_exactly_one_stops_and_nobody_but_ctrl_c_hurries(numbers: list[signal.Signals]) -> None:
    said = answers(*numbers)
    assert said[:1] == ["stop"][: len(numbers)]
    assert "stop" not in said[1:]
    assert said.count("hurry") == (numbers.count(INT) >= 3)
    assert all(number == INT for number, answer in zip(numbers, said, strict=True) if answer == "hurry")
