"""When a lane halts: a bad deploy does it, one sender and strangers never do."""

from hypothesis import given
from hypothesis import strategies as st

from shared.kafka.loop.halting import MANY, STREAK, WINDOW, bad_deploy
from shared.kafka.records import Sender

SHOP, CRM = Sender("shop", trusted=True), Sender("crm", trusted=True)
FORM, SNIPPET = Sender("website", trusted=False), Sender("snippet", trusted=False)


def runs(*senders: Sender | None) -> st.SearchStrategy[list[Sender | None]]:
    """Records in runs of one sender, long enough to pass every limit."""
    run = st.tuples(st.sampled_from(senders), st.integers(1, STREAK))
    return st.lists(run, max_size=14).map(lambda some: [sender for sender, length in some for _ in range(length)])


ANYBODY = runs(None, SHOP, CRM, FORM, SNIPPET)


@given(runs(None, FORM, SNIPPET))
def test_strangers_never_halt_anything(latest: list[Sender | None]) -> None:
    assert bad_deploy(latest) is None
    assert bad_deploy([*latest, *[FORM, SNIPPET] * WINDOW]) is None


@given(runs(None, SHOP))
def test_one_sender_alone_halts_only_where_nothing_works(latest: list[Sender | None]) -> None:
    nothing_works = len(latest) >= STREAK and all(latest[-STREAK:])
    assert (bad_deploy(latest) is not None) == nothing_works


@given(ANYBODY, st.integers(0, 3))
def test_below_the_limit_it_goes_on(latest: list[Sender | None], fewer: int) -> None:
    failed = [place for place, sender in enumerate(latest) if sender is not None]
    for place in failed[MANY - 1 - fewer :]:
        latest[place] = None
    assert bad_deploy(latest) is None


@given(ANYBODY, ANYBODY)
def test_a_record_that_works_never_makes_it_worse(latest: list[Sender | None], before: list[Sender | None]) -> None:
    if bad_deploy([*before, *latest]) is None:
        assert bad_deploy([*before, *latest, None]) is None


@given(ANYBODY)
def test_what_is_older_than_the_window_counts_no_more(latest: list[Sender | None]) -> None:
    assert bad_deploy(latest) == bad_deploy(latest[-WINDOW:])


def test_several_senders_halt_however_much_works_beside_them() -> None:
    failures = [SHOP, CRM] * (MANY // 2)
    spread = [each for failure in failures for each in (None,) * 40 + (failure,)]
    assert len(spread) < WINDOW
    assert bad_deploy(spread[:-1]) is None
    assert "20 of the last" in (bad_deploy(spread) or "")
    assert bad_deploy([FORM] * 500 + [SHOP] * (MANY // 2 - 1)) is None, "a stranger and one bad hook are no deploy"
    assert bad_deploy([FORM] * 500 + [SHOP] * (MANY // 2)) is not None


def test_a_streak_halts_only_with_somebody_trusted_in_it() -> None:
    assert "not one" in (bad_deploy([SHOP] * STREAK) or "")
    assert bad_deploy([SHOP] * (STREAK - 1)) is None
    assert bad_deploy([*[SHOP] * (STREAK - 1), None, SHOP]) is None
    long_ago = [SHOP, CRM] * (MANY // 2)
    assert bad_deploy([*long_ago, *[None] * (WINDOW - MANY)]) is not None
    assert bad_deploy([*long_ago, *[None] * (WINDOW - MANY + 1)]) is None, "the oldest of them counts no more"
