"""How long a wrong key or signature takes tells nothing about the right one, and no key is told by what holds it."""

import ast
import inspect
from pathlib import Path

import pytest

from services.ingest.config import hooks as hook_settings
from services.ingest.config.sources import load_sources
from services.ingest.domain.hooks import hook
from services.ingest.domain.hooks.registry import SENDERS

SECRET_NAMES = ("secret", "secrets", "expected", "key", "keys", "token", "given")
SOURCES = """
sources:
  website: {kind: form, keys: [env:OLD, env:NEW]}
  pay: {kind: stripe, secrets: [env:OLD, env:NEW]}
"""
KEYS = {"OLD": "the-former-key-of-all", "NEW": "the-present-key-of-all"}


@pytest.mark.parametrize("kind", SENDERS)
def test_a_sender_s_secret_is_compared_by_nothing_but_same(kind: str) -> None:
    """`==` on texts ends at the first difference: a verifier may compare lengths, names and numbers that way only."""
    tree = ast.parse(inspect.getsource(inspect.getmodule(SENDERS[kind].verify)))  # type: ignore[arg-type]
    (verify,) = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.name == SENDERS[kind].verify.__name__
    ]
    for compared in (node for node in ast.walk(verify) if isinstance(node, ast.Compare)):
        if any(isinstance(operator, ast.Eq | ast.NotEq | ast.In | ast.NotIn) for operator in compared.ops):
            names = {
                node.id
                for each in (compared.left, *compared.comparators)
                for node in ast.walk(each)
                if isinstance(node, ast.Name)
            }
            assert not names & set(SECRET_NAMES), ast.unparse(compared)


def test_same_takes_constant_time() -> None:
    assert "compare_digest" in inspect.getsource(hook.same)


def test_write_keys_are_kept_as_hashes_and_either_opens(tmp_path: Path) -> None:
    (tmp_path / "sources.yaml").write_text(SOURCES)
    sources = load_sources(tmp_path, environment=KEYS, state=tmp_path)
    for key in KEYS.values():
        source = sources.by_key(key.encode())
        assert source is not None
        assert source.name == "website"
        for text in (repr(sources), repr(source), repr(sources.by_name["pay"]), str(vars(hook_settings).keys())):
            assert key not in text
    assert sources.by_key(b"the-former-key-of-al") is None
    held = {repr(value) for value in sources._by_key}
    assert all(len(ast.literal_eval(each)) == 32 for each in held), "SHA-256, never the key"
