"""openapi.json tells the truth: schemathesis asks a running ingest what the document allows, and what it does not."""

from collections.abc import Iterator
from typing import Any, Final

import pytest
import requests
import schemathesis
import schemathesis.specs.openapi.schemas  # else imported in mid-test, where CPython 3.11 may fail to (gh-106905)
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.config import SchemathesisConfig
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.malformed.target import HOST, Target, running_target
from tests.support.stack import Stack, fresh_prefix

pytestmark = [
    pytest.mark.xdist_group("ingest-openapi"),
    pytest.mark.timeout(120),
    pytest.mark.filterwarnings("ignore:Do not use the `random` module"),  # schemathesis does, inside its strategies
]
_EXAMPLES: Final = 20
_CHECKS: Final = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
]
SOURCES: Final = """
sources:
  website: {kind: form, keys: [env:MALFORMED_WEBSITE_KEY], form: {title: Talk to us, inputs: [{name: email, label: Your e-mail, type: email}]}}
  shop: {kind: api, keys: [env:MALFORMED_SHOP_KEY]}
  app: {kind: segment, keys: [env:MALFORMED_APP_KEY], lane: bulk, trust: trusted}
  stripe: {kind: stripe, secrets: [env:MALFORMED_SHOP_KEY]}
  google: {kind: google, secrets: [env:MALFORMED_SHOP_KEY]}
  crm:
    kind: generic
    secrets: [env:MALFORMED_SHOP_KEY]
    signature: {scheme: token, header: authorization, prefix: "Bearer "}
    events: [{type: lead.captured, fields: {email: /email, name: /name}}]
"""
_SEGMENT: Final = ("track", "identify", "page", "screen", "group", "alias", "batch", "import")
# Operations with a body → the key they are asked with.
_POSTS: Final = {
    "POST /v1/leads": "WEBSITE",
    "POST /v1/purchases": "SHOP",
    "POST /v1/events": "SHOP",
    **{f"POST /v1/{name}": "APP" for name in _SEGMENT},
    "POST /f/{source}": "",
}
# What has no wrong body, as it takes any text → the sources in its path. The last one there is not.
_OTHERS: Final = {
    "POST /hooks/{source}": ("stripe", "google", "crm", "nowhere"),
    "GET /hooks/{source}": ("stripe", "nowhere"),
    "POST /hooks/{source}/{secret}": ("stripe", "crm", "nowhere"),
    "GET /hooks/{source}/{secret}": ("stripe", "nowhere"),
    "GET /f/{source}": ("website", "shop", "nowhere"),
    "GET /f/{source}/stamp": ("website", "stripe", "nowhere"),
    "GET /v1/projects/{write_key}/settings": ("",),
    "GET /firsthour.js": ("",),
    "GET /v1/sources": ("",),
    "GET /healthz": ("",),
    "GET /readyz": ("",),
    "GET /metrics": ("",),
}
_MODES: Final = list(schemathesis.GenerationMode)


@pytest.fixture(scope="module")
def target(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    folder = tmp_path_factory.mktemp("openapi")
    with fresh_prefix(stack) as prefix, running_target(stack.kafka, prefix, folder, SOURCES) as target:
        yield target


@pytest.fixture(scope="module")
def document(target: Target) -> Any:
    return requests.get(f"http://{HOST}:{target.port}/openapi.json", timeout=5).json()


@pytest.fixture(scope="module")
def schema(target: Target, document: Any) -> Any:
    loaded = schemathesis.openapi.from_dict(document, config=SchemathesisConfig())
    loaded.config.update(base_url=f"http://{HOST}:{target.port}")
    loaded.config.generation.update(with_security_parameters=False)
    return loaded


def test_every_operation_is_asked(document: Any) -> None:
    methods = {"get", "put", "post", "delete", "options", "head", "patch", "trace"}
    found = {f"{method.upper()} {path}" for path, item in document["paths"].items() for method in methods & item.keys()}
    assert found == {*_POSTS, *_OTHERS}


def test_the_document_is_openapi(schema: Any) -> None:
    schema.validate()


@pytest.mark.parametrize("mode", _MODES, ids=lambda mode: mode.value)
@pytest.mark.parametrize("operation", _POSTS)
def test_any_body_is_answered_as_documented(
    target: Target, schema: Any, operation: str, mode: schemathesis.GenerationMode
) -> None:
    statuses = _ask(target, schema, operation, mode, key=_POSTS[operation], source="website")
    if mode is schemathesis.GenerationMode.POSITIVE:
        assert statuses & {200, 202, 303}, "of what the document allows, something is taken"
    else:
        assert statuses & {400, 415, 422}, "of what it does not, something is refused"


@pytest.mark.parametrize(
    ("operation", "source"), [(operation, source) for operation, sources in _OTHERS.items() for source in sources]
)
def test_any_request_is_answered_as_documented(target: Target, schema: Any, operation: str, source: str) -> None:
    key = "SHOP" if source == "crm" else ""
    statuses = _ask(target, schema, operation, schemathesis.GenerationMode.POSITIVE, key=key, source=source)
    assert statuses == {404} if source == "nowhere" else statuses


@pytest.mark.parametrize("mode", _MODES, ids=lambda mode: mode.value)
def test_a_form_that_there_is_not_is_answered_as_documented(
    target: Target, schema: Any, mode: schemathesis.GenerationMode
) -> None:
    assert _ask(target, schema, "POST /f/{source}", mode, key="", source="nowhere") == {404}


def _ask(
    target: Target, schema: Any, operation: str, mode: schemathesis.GenerationMode, *, key: str, source: str
) -> set[int]:
    """Ask many times; the statuses that came."""
    method, _, path = operation.partition(" ")
    headers = {"Authorization": f"Bearer {target.keys[key]}"} if key else {}
    known = {name: value for name, value in (("source", source), ("secret", "wrong")) if f"{{{name}}}" in path} or None
    logged = target.log_size()
    statuses = set[int]()

    @settings(
        max_examples=_EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=schema[path][method].as_strategy(generation_mode=mode, path_parameters=known))
    def ask(case: schemathesis.Case) -> None:
        response = case.call(headers=headers, timeout=5, allow_redirects=False)
        statuses.add(response.status_code)
        case.validate_response(response, checks=_CHECKS)

    ask()
    assert "request_failed" not in target.log(logged)
    return statuses
