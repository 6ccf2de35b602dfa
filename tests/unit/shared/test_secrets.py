from pathlib import Path

import pytest

from shared import secrets


def test_a_secret_is_made_once_and_kept_private(tmp_path: Path) -> None:
    made = secrets.ensure_state_secrets(tmp_path, ["SHOP_KEY", "MA_SECRET"])
    assert made["MA_SECRET"].startswith("whsec_")
    assert secrets.ensure_state_secrets(tmp_path, ["SHOP_KEY", "MA_SECRET"]) == made
    again = secrets.ensure_state_secrets(tmp_path, ["MORE_KEY"])
    assert again.items() > made.items()
    for name in (secrets.SECRETS_FILE, secrets.ADMIN_TOKEN, secrets.KEY_SECRET):
        secrets.ensure_admin_token(tmp_path)
        secrets.ensure_key_secret(tmp_path)
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o600
    assert secrets.ensure_admin_token(tmp_path) == secrets.ensure_admin_token(tmp_path)


def test_the_environment_wins_over_the_state(tmp_path: Path) -> None:
    made = secrets.ensure_state_secrets(tmp_path, ["SHOP_KEY"])
    assert secrets.resolve("env:SHOP_KEY", {}, tmp_path) == made["SHOP_KEY"]
    assert secrets.resolve("env:SHOP_KEY", {"SHOP_KEY": "mine"}, tmp_path) == "mine"


def test_a_file_is_read_and_a_missing_one_named(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("value\n")
    assert secrets.resolve(f"file:{tmp_path}/key", {}) == "value"
    with pytest.raises(secrets.MissingSecret, match="absent"):
        secrets.resolve(f"file:{tmp_path}/absent", {})


def test_a_plain_value_is_refused_and_never_repeated() -> None:
    with pytest.raises(secrets.MissingSecret) as caught:
        secrets.resolve("hunter2", {})
    assert "hunter2" not in str(caught.value)
    with pytest.raises(secrets.MissingSecret, match="NOT_SET"):
        secrets.resolve("env:NOT_SET", {})
