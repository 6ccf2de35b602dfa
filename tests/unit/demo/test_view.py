from demo import view
from demo.people import people
from demo.view import Row


def test_the_same_seed_brings_the_same_people_with_new_addresses() -> None:
    first, again = people(8, seed=3, run="a"), people(8, seed=3, run="b")
    assert [p.name for p in first] == [p.name for p in again]
    assert not {p.email for p in first} & {p.email for p in again}
    assert len({p.email for p in people(100, seed=1, run="a")}) == 100


def test_a_line_tells_what_became_of_a_lead() -> None:
    row = Row("Ada", "form")
    assert "not yet" in view.line(row)
    row.value, row.reason, row.seconds = "500.00 EUR", "traits", 0.1234
    assert row.note("mail")
    assert not row.note("mail"), "told once"
    assert view.line(row) == "Ada, by form: 500.00 EUR (traits); first follow-up 0.123 s; mail"


def test_the_summary_counts_only_what_was_followed_up() -> None:
    rows = [Row("a", "form", seconds=0.1), Row("b", "form", seconds=0.3), Row("c", "API")]
    result = view.summary(rows, webhooks=2, refused=0, mails=1, purchases=0)
    assert (result["leads"], result["followed_up"], result["p50_seconds"], result["max_seconds"]) == (3, 2, 0.2, 0.3)
    assert "2 of 3" in view.as_text(result)
    assert view.summary([], webhooks=0, refused=0, mails=0, purchases=0)["p50_seconds"] is None


def test_the_table_has_a_row_for_each_lead() -> None:
    assert view.table([Row("a", "form"), Row("b", "API", seconds=1.0)], page="http://x/").row_count == 2
