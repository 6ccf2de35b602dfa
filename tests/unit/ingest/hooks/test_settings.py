from pathlib import Path
from typing import Any

import pytest

from services.ingest.config.hooks import HOOK_KINDS, HookSettings
from services.ingest.config.sources import load_sources, secret_names
from services.ingest.domain.hooks.registry import SENDERS
from shared.errors import ConfigurationError

ENVIRONMENT = {"OLD": "old-secret", "NEW": "new-secret", "KEY": "fh_key", "TOKEN": "graph-token"}


def load(folder: Path, sources: str) -> dict[str, HookSettings | None]:
    (folder / "sources.yaml").write_text(f"sources:\n{sources}")
    loaded = load_sources(folder, environment=ENVIRONMENT, state=folder)
    return {name: source.hook for name, source in loaded.by_name.items()}


def problems(folder: Path, sources: str) -> list[str]:
    with pytest.raises(ConfigurationError) as error:
        load(folder, sources)
    return [str(each).removeprefix(f"{folder}/sources.yaml:") for each in error.value.problems]


def test_every_kind_has_a_sender_and_every_sender_a_kind() -> None:
    assert set(SENDERS) == set(HOOK_KINDS)


def test_secrets_and_options_are_resolved_and_never_shown(tmp_path: Path) -> None:
    hooks = load(
        tmp_path,
        "  meta: {kind: meta, secrets: [env:OLD, env:NEW], options: {verify_token: env:KEY, access_token: env:TOKEN}}\n"
        "  form: {kind: typeform, secrets: [env:OLD], fields: {email: 'Your address?'}}\n"
        "  site: {kind: form}\n",
    )
    meta, form = hooks["meta"], hooks["form"]
    assert meta is not None
    assert form is not None
    assert meta.secrets == ("old-secret", "new-secret")
    expected: dict[str, Any] = {"fields": {}, "verify_token": "fh_key", "access_token": "graph-token"}
    assert dict(meta.options) == expected
    assert dict(form.options) == {"fields": {"email": "Your address?"}}
    assert hooks["site"] is None
    assert not any(secret in f"{meta!r}{form!r}" for secret in ENVIRONMENT.values())


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{kind: stripe}", "2: sources.x: needs the sender's signing secret: `secrets: [env:NAME]`"),
        ("{kind: stripe, secrets: [whsec_x]}", "2: sources.x.secrets.0: must be a reference, env:NAME or file:/path, never the secret"),
        ("{kind: stripe, secrets: [env:NONE]}", "2: sources.x.secrets.0: the environment variable NONE is not set: put it there, or into the state folder's secrets.env"),
        ("{kind: strip, secrets: [env:OLD]}", "2: sources.x.kind: Input should be 'form', 'segment', 'api', 'stripe', 'shopify', 'woocommerce', 'typeform', 'calendly', 'tally', 'hubspot', 'meta', 'google', 'mailchimp', 'mailgun', 'postmark', 'sendgrid', 'ses' or 'generic'"),
        ("{kind: shopify, secrets: [env:OLD], options: {a: b}}", "2: sources.x.options.a: unknown option; shopify has: none"),
        ("{kind: stripe, secrets: [env:OLD], fields: {email: x}}", "2: sources.x.fields: kind stripe has no form whose fields could be named"),
        ("{kind: stripe, secrets: [env:OLD], signature: {header: x}}", "2: sources.x.signature: is only for sources of kind generic"),
        ("{kind: stripe, secrets: [env:OLD], id: /id}", "2: sources.x.id: is only for sources of kind generic"),
        ("{kind: stripe, secrets: [env:OLD], colour: red}", "2: sources.x.colour: unknown key"),
        ("{kind: meta, secrets: [env:OLD], options: {access_token: EAAB}}", "2: sources.x.options.access_token: must be a reference, env:NAME or file:/path, never the secret"),
        ("{kind: meta, secrets: [env:OLD], options: {access_token: env:NONE}}", "2: sources.x.options.access_token: the environment variable NONE is not set: put it there, or into the state folder's secrets.env"),
        ("{kind: form, secrets: [env:OLD]}", "2: sources.x.secrets: is only for other services' webhooks"),
        ("{kind: form, options: {a: b}}", "2: sources.x.options: is only for other services' webhooks"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_by_line_and_key(tmp_path: Path, source: str, expected: str) -> None:
    assert expected in problems(tmp_path, f"  x: {source}\n")


def test_setup_makes_what_is_ours_to_choose_and_nothing_that_a_sender_made(tmp_path: Path) -> None:
    (tmp_path / "sources.yaml").write_text(
        "sources:\n"
        "  a: {kind: api, keys: [env:A_KEY]}\n"
        "  b: {kind: stripe, secrets: [env:STRIPE_SECRET]}\n"
        "  c:\n    kind: generic\n    secrets: [env:OWN_SECRET]\n    signature: {header: x}\n"
        "    events: [{type: lead.captured, fields: {email: /email}}]\n"
    )
    assert secret_names(tmp_path) == {"A_KEY", "OWN_SECRET"}
