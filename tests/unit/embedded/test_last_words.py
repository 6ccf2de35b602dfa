import pytest

from embedded.supervisor.supervision import last_words


@pytest.mark.parametrize(
    ("log", "words"),
    [
        ("", ""),
        ("one\ntwo\n\n", "two"),
        ("Exception: no room\n    at kafka.Log\n\tat java.Thread\n", "Exception: no room"),
        (
            '{"message": "died", "level": "error", "reason": "no  bread"}\n{"message": "stopped", "level": "info"}',
            "no bread",
        ),
        ('{"message": "configuration", "level": "error", "problem": "a.yaml: wrong"}', "a.yaml: wrong"),
        ('{"message": "started", "level": "info"}\nKilled', "Killed"),
        ("[1, 2]\n3", "3"),
        ("x" * 1000, "x" * 300),
    ],
)
def test_the_last_words_say_why(log: str, words: str) -> None:
    assert last_words(log) == words
