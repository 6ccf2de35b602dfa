"""A real ingest process to attack, with a source of every kind of trust."""

from collections.abc import Iterator

import pytest

from tests.malformed.target import Target, running_target
from tests.support.stack import Stack, fresh_prefix

SIGNING_SECRET = "of-the-shop"
SOURCES = """
sources:
  website: {kind: form, keys: [env:MALFORMED_WEBSITE_KEY]}
  page: {kind: segment, keys: [env:MALFORMED_PAGE_KEY]}
  app: {kind: segment, keys: [env:MALFORMED_APP_KEY], trust: trusted}
  shop: {kind: api, keys: [env:MALFORMED_SHOP_KEY]}
  store: {kind: shopify, secrets: [env:SHOPIFY_SIGNING_SECRET]}
"""


@pytest.fixture(scope="package")
def target(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """One ingest for all attacks, behind a proxy that it trusts: each request comes from an address of its own."""
    settings = {"SHOPIFY_SIGNING_SECRET": SIGNING_SECRET}
    with (
        fresh_prefix(stack) as prefix,
        running_target(stack.kafka, prefix, tmp_path_factory.mktemp("security"), SOURCES, settings) as target,
    ):
        yield target
