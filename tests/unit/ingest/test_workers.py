from pathlib import Path

from services.ingest.workers import held, sweep


def test_figures_of_the_killed_are_swept_and_those_of_the_living_stay(tmp_path: Path) -> None:
    killed, living, other = (tmp_path / name for name in ("firsthour-metrics-a", "firsthour-metrics-b", "other"))
    for each in (killed, living, other):
        each.mkdir()
        (each / "counter_1.db").touch()
        (each / "held").touch()
    with held(living):
        sweep(tmp_path)
        assert (killed.exists(), living.exists(), other.exists()) == (False, True, True)
    sweep(tmp_path)
    assert not living.exists()
