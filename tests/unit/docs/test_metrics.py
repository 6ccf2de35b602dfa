"""docs/metrics.md is of today, and no figure has a label without a bound."""

import re

from tests.support.metrics_table import LABELS, PAGE, figures, written


def test_the_table_is_of_today() -> None:
    assert PAGE.read_text() == written(), "run `make metrics-docs`"


def test_every_label_has_a_bound() -> None:
    assert {label for figure in figures() for label in figure.labels} == LABELS.keys()


def test_names_say_what_prometheus_expects() -> None:
    for figure in figures():
        assert re.fullmatch(r"firsthour_[a-z_]+", figure.name)
        assert figure.help.endswith("."), figure.name
        assert not re.search(r"_(ms|milliseconds|minutes|kb|mb|count|sum|bucket|info)$", figure.name)
        if figure.kind == "histogram":
            assert figure.name.endswith(("_seconds", "_records")), figure.name
    names = [figure.name for figure in figures()]
    assert len(names) == len(set(names)), "each figure is registered in one place"
