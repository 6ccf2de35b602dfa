from pathlib import Path

import pytest

from services.nurture.config import load_endpoints, secret_names
from services.nurture.domain.mail.caps import MailCaps
from shared.errors import ConfigurationError

SHIPPED = Path(__file__).parents[3] / "config"
HOOK = 'webhooks: {{a: {{url: "{}", secrets: [env:A]}}}}'
MAIL = 'email: {{smtp: "{}", from: "{}"{}}}'


def loaded(folder: Path, text: str):  # type: ignore[no-untyped-def] # noqa: ANN201 - Endpoints
    (folder / "endpoints.yaml").write_text(text, encoding="utf-8")
    return load_endpoints(folder)


def problem_of(folder: Path, text: str) -> str:
    with pytest.raises(ConfigurationError) as raised:
        loaded(folder, text)
    return str(raised.value)


def test_what_is_shipped() -> None:
    endpoints = load_endpoints(SHIPPED)
    assert set(endpoints.webhooks) == {"marketing-automation", "on-call", "escalate"}
    assert secret_names(endpoints) == {"MA_SECRET", "ONCALL_SECRET", "ESCALATE_SECRET"}
    assert endpoints.email is not None
    assert (endpoints.email.host, endpoints.email.port, endpoints.email.tls) == ("127.0.0.1", 1025, "none")
    assert (endpoints.email.sender, endpoints.email.sender_name) == ("hello@example.com", "Firsthour demo")


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("ftp://example.com", "must be a URL"),
        ("https://", "must be a URL"),
        ("https://me:secret@example.com", "must not hold a user or password"),
        ("http://example.com/hook", "use https://"),
        ("https://example.com/#part", "fragment"),
        ("https://example.com:99999/", "not a URL"),
        ("https://exa mple.com/", "not usable"),
    ],
)
def test_urls_that_are_refused(tmp_path: Path, url: str, problem: str) -> None:
    found = problem_of(tmp_path, HOOK.format(url))
    assert problem in found
    assert "endpoints.yaml:1: webhooks.a" in found


def test_a_secret_is_never_written_down(tmp_path: Path) -> None:
    for text in ["whsec_c2VjcmV0", "env:", "env:not a name", "file:"]:
        found = problem_of(tmp_path, HOOK.format("https://example.com").replace("env:A", f'"{text}"'))
        assert "must be a reference" in found
        assert "c2VjcmV0" not in found


@pytest.mark.parametrize(
    ("smtp", "more", "host", "port", "tls", "user"),
    [
        ("smtp://localhost", "", "localhost", 25, "none", None),
        ("smtps://mail.example.com", "", "mail.example.com", 465, "smtps", None),
        ("smtp+starttls://mail.example.com", "", "mail.example.com", 587, "starttls", None),
        ("smtps://me%40x@mail.example.com:1465", ", password: env:PW", "mail.example.com", 1465, "smtps", "me@x"),
    ],
)
def test_mail_servers(tmp_path: Path, smtp: str, more: str, host: str, port: int, tls: str, user: str | None) -> None:
    server = loaded(tmp_path, MAIL.format(smtp, "Ada <ada@example.com>", more)).email
    assert (server.host, server.port, server.tls, server.user) == (host, port, tls, user)
    assert server.password == ("env:PW" if user else None)


def test_each_cap_is_the_one_that_is_named(tmp_path: Path) -> None:
    caps = ", caps: {recipient: 1, domain: 2, source: 3}"
    server = loaded(tmp_path, MAIL.format("smtp://localhost", "a@example.com", caps)).email
    assert server.caps == MailCaps(recipient=1, domain=2, source=3)


@pytest.mark.parametrize(
    ("smtp", "sender", "more", "problem"),
    [
        ("http://x", "a@example.com", "", "must be smtp://"),
        ("smtps://me:pw@x", "a@example.com", "", "must not hold the password"),
        ("smtps://me@x", "a@example.com", "", "belong together"),
        ("smtps://x", "a@example.com", ", password: env:PW", "belong together"),
        ("smtp://me@mail.example.com", "a@example.com", ", password: env:PW", "unencrypted"),
        ("smtps://x/path", "a@example.com", "", "must end after"),
        ("smtps://x", "nobody", "", "@"),
        ("smtps://x", "a@example.com\\r\\nBcc: b@example.com", "", "must be one line"),
        ("smtps://x", "a@example.com", ", password: hunter2", "must be a reference"),
    ],
)
def test_mail_servers_that_are_refused(tmp_path: Path, smtp: str, sender: str, more: str, problem: str) -> None:
    assert problem in problem_of(tmp_path, MAIL.format(smtp, sender, more))


def test_a_password_of_the_mail_server_is_not_ours_to_make(tmp_path: Path) -> None:
    endpoints = loaded(tmp_path, MAIL.format("smtps://me@x.example.com", "a@example.com", ", password: env:PW"))
    assert secret_names(endpoints) == frozenset()
