from collections.abc import Iterator

import pytest

from tests.malformed.target import Target, running_target
from tests.support.stack import Stack, fresh_prefix


@pytest.fixture(scope="package")
def target(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """One ingest for all bad requests: what one of them breaks, the next sees."""
    folder = tmp_path_factory.mktemp("malformed")
    with fresh_prefix(stack) as prefix, running_target(stack.kafka, prefix, folder) as target:
        yield target
