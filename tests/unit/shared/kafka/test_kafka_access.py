import ast
from pathlib import Path

import pytest

from shared.errors import ConfigurationError
from shared.kafka.access import OPEN, STATE_FILE, Access, as_state_file, state_access
from shared.settings import Settings, load


def test_without_a_user_nothing_is_said() -> None:
    assert OPEN.arguments() == {"security_protocol": "PLAINTEXT"}


def test_the_settings_say_who_we_are(tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("a-secret-word\n")
    settings = load(Settings, kafka_user="ada", kafka_password=f"file:{secret}")
    assert settings.kafka_access().arguments() == {
        "security_protocol": "SASL_PLAINTEXT",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "ada",
        "sasl_plain_password": "a-secret-word",
    }
    with_tls = load(Settings, kafka_tls=True).kafka_access().arguments()
    assert with_tls["security_protocol"] == "SSL"
    assert with_tls["ssl_context"].check_hostname
    assert (
        load(Settings, kafka_tls=True, kafka_user="ada").kafka_access().arguments()["security_protocol"] == "SASL_SSL"
    )
    assert "a-secret-word" not in repr(settings)


def test_an_unknown_mechanism_is_named() -> None:
    with pytest.raises(ConfigurationError, match="FIRSTHOUR_KAFKA_MECHANISM"):
        load(Settings, kafka_mechanism="GUESS")


def test_without_a_setting_it_is_the_broker_of_run_on_whatever_port(tmp_path: Path) -> None:
    (tmp_path / STATE_FILE).write_text(as_state_file("127.0.0.1:4711", Access("ada", "secret"), {}))
    settings = load(Settings, state=tmp_path)
    assert (settings.kafka, settings.kafka_access()) == ("127.0.0.1:4711", Access("ada", "secret"))
    elsewhere = load(Settings, state=tmp_path, kafka="kafka:9092")
    assert (elsewhere.kafka, elsewhere.kafka_access()) == ("kafka:9092", OPEN)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"bootstrap": "here:1"}', "no json"])
def test_a_broken_file_is_no_access(text: str, tmp_path: Path) -> None:
    (tmp_path / "kafka-access.json").write_text(text)
    assert state_access(tmp_path, "here:1") == OPEN


def test_the_state_s_access_is_for_its_address(tmp_path: Path) -> None:
    access = Access("firsthour", "x", "PLAIN")
    (tmp_path / "kafka-access.json").write_text(as_state_file("here:1", access, {"ingest": "y"}))
    assert state_access(tmp_path, "here:1") == access
    assert state_access(tmp_path, "here:2") == OPEN
    assert state_access(tmp_path, "here:1", "ingest") == Access("ingest", "y", "PLAIN"), "a login of its own"
    assert state_access(tmp_path, "here:2", "ingest") == OPEN
    assert state_access(tmp_path, "here:1", "scoring") == access, "of a state folder that knows none"


CLIENTS = {"AIOKafkaConsumer", "AIOKafkaProducer", "AIOKafkaAdminClient", "AIOKafkaClient"}


def test_every_client_says_who_it_is() -> None:
    root = Path(__file__).parents[4]
    seen = 0
    for path in [path for folder in ("services", "shared") for path in (root / folder).rglob("*.py")]:
        for call in ast.walk(ast.parse(path.read_text())):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in CLIENTS:
                seen += 1
                spread = [ast.unparse(each.value) for each in call.keywords if each.arg is None]
                assert any(text.endswith(("access.arguments()", "access().arguments()")) for text in spread), (
                    f"{path}:{call.lineno}: the embedded Kafka refuses it; pass **settings.kafka_access().arguments()"
                )
    assert seen >= 3
