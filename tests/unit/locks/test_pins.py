import importlib.util
from datetime import date, timedelta
from pathlib import Path

_SPEC = importlib.util.spec_from_file_location("audit", Path(__file__).parents[3] / "locks" / "audit.py")
assert _SPEC
assert _SPEC.loader
audit = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(audit)


def test_the_list_of_pins_is_of_today() -> None:
    assert list(audit.not_as_used(audit.read_pins())) == []


def test_a_pin_that_is_not_used_is_named() -> None:
    pin = {"name": "Kafka", "version": "1.0", "file": "docker-compose.yml", "text": "image: apache/kafka:1.0"}
    assert "does not say 'image: apache/kafka:1.0'" in next(audit.not_as_used([pin]))


def test_what_nobody_looked_at_for_90_days_is_said() -> None:
    pin = {"name": "Kafka", "version": "1.0", "looked_at": date(2026, 1, 1)}
    assert list(audit.old([pin], date(2026, 1, 1) + timedelta(days=90))) == []
    assert "last looked at 91 days ago" in next(audit.old([pin], date(2026, 1, 1) + timedelta(days=91)))
