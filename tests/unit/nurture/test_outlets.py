"""What `firsthour check` and the start read alike."""

from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from services.cli.setup import check_configuration
from services.nurture.outlets import load_outlets
from shared.errors import ConfigurationError

ENDPOINTS = """
webhooks: {{crm: {{url: "https://example.com/", secrets: [env:OUTLETS_TEST_CRM_SECRET]}}}}
email:
  smtp: smtps://me@mail.example.com
  password: env:OUTLETS_TEST_SMTP_PASSWORD
  from: {sender}
"""
SET = {"OUTLETS_TEST_CRM_SECRET": "whsec_" + "MDEy" * 8, "OUTLETS_TEST_SMTP_PASSWORD": "p"}


def folder(tmp_path: Path, *, sender: str = "Ada <ada@example.com>", template: str = "Subject: x\n\nHello") -> Path:
    (tmp_path / "templates").mkdir()
    (tmp_path / "endpoints.yaml").write_text(ENDPOINTS.format(sender=sender), encoding="utf-8")
    (tmp_path / "templates" / "thanks.txt").write_text(template, encoding="utf-8")
    return tmp_path


def problems(config: Path, environment: dict[str, str]) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        load_outlets(config, environment=environment, state=config)
    return [f"{each.file.name}:{each.line} {each.key} {each.problem}" for each in caught.value.problems]


async def test_all_that_sending_needs(tmp_path: Path) -> None:
    outlets = load_outlets(folder(tmp_path), environment=SET, state=tmp_path)
    async with AsyncExitStack() as closing:
        assert {name: at_once for name, (at_once, _) in outlets.open(closing).items()} == {"crm": 8, "email:smtp": 4}
    assert {queue: channel.name for queue, channel in outlets.endpoints.queues().items()} == {
        "crm": "webhook",
        "email:smtp": "email",
    }


def test_every_problem_with_file_and_line(tmp_path: Path) -> None:
    config = folder(tmp_path, sender="Ada <adä@example.com>", template="Subject: x\n\nHello {% if contact.name %}x")
    template, sender, password, secret = problems(config, {})
    assert template.startswith("thanks.txt:3 ")
    assert secret.startswith("endpoints.yaml:2 webhooks.crm.secrets.0 the environment variable OUTLETS_TEST_CRM_SECRET")
    assert password == (
        "endpoints.yaml:5 email.password the environment variable OUTLETS_TEST_SMTP_PASSWORD is not set"
    ), "setup makes no password of somebody else's server"
    assert sender == "endpoints.yaml:6 email.from cannot be written as the sender of an e-mail"


def test_a_secret_that_is_none(tmp_path: Path) -> None:
    (problem,) = problems(folder(tmp_path), {**SET, "OUTLETS_TEST_CRM_SECRET": "whsec_?"})
    assert problem.startswith("endpoints.yaml:2 webhooks.crm.secrets.0 ")
    assert "whsec_?" not in problem


def test_check_says_what_a_start_would(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        check_configuration(folder(tmp_path, template="Subject: x\n\n{% if a %}"), tmp_path)
    found = {(each.file.name, each.line) for each in caught.value.problems}
    assert {("thanks.txt", 3), ("endpoints.yaml", 5)} <= found
