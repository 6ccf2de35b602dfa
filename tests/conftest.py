"""The embedded stack is started once for a test run: by the xdist controller, or by the only process there is.

Tests ask for `kafka`, `topic_prefix`, `database` (or `stack` and what tests/support/stack.py makes of it); those that kill
Kafka or Postgres ask for `own_stack`.

Whatever a run and its processes put into the temporary folder lies below one folder, which is gone at the end; that of a
killed run is swept by the next. `--shuffle NUMBER` runs the tests in another order, the same one for the same number.
"""

import os
import random
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from shared.db.database_url import forget_libpq
from tests.support.stack import (
    OwnStack,
    Stack,
    fresh_database,
    fresh_prefix,
    reachable_folder,
    running_own_stack,
    running_stack,
)

# How long an example takes says more of the machine than of the rule: speed is measured in benchmarks/.
settings.register_profile("firsthour", deadline=None)
settings.register_profile("ci", deadline=None, max_examples=40)
settings.register_profile("quick", deadline=None, max_examples=20)
settings.load_profile("firsthour")

forget_libpq(os.environ)  # of a developer's shell

_WITHOUT_STACK = [Path(__file__).parent / folder for folder in ("unit", "docker")]
_RUNNING = pytest.StashKey[ExitStack]()
_STACK = pytest.StashKey[Stack]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--shuffle", type=int, metavar="NUMBER", help="run the tests in an order of chance")
    parser.addoption("--stack", metavar="KAFKA,POSTGRES", help="a running one of tests/support/stack.py, to be used")
    parser.addoption("--kills", type=int, metavar="NUMBER", help="of test_kills.py: so many kills, of what chance says")


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):  # xdist's workers inherit it
        config.stash[_RUNNING] = parts = ExitStack()
        os.environ["TMPDIR"] = str(parts.enter_context(reachable_folder()))
        tempfile.tempdir = None  # it is looked up again


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    number = config.getoption("--shuffle")
    if number is not None:
        random.Random(number).shuffle(items)


def _is_controller(config: pytest.Config) -> bool:
    return bool(config.getoption("numprocesses", None)) and not hasattr(config, "workerinput")


def _needs_stack(config: pytest.Config) -> bool:
    paths = [(config.invocation_params.dir / argument.split("::")[0]).resolve() for argument in config.args]
    return not all(any(path.is_relative_to(folder) for folder in _WITHOUT_STACK) for path in paths)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    config = session.config
    if _is_controller(config) and not config.option.collectonly and _needs_stack(config):
        config.stash[_STACK] = config.stash[_RUNNING].enter_context(running_stack())


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """xdist: tell each worker where the stack is."""
    if _STACK in node.config.stash:
        node.workerinput["stack"] = node.config.stash[_STACK].as_dict()


def pytest_unconfigure(config: pytest.Config) -> None:
    if _RUNNING in config.stash:
        config.stash[_RUNNING].close()


@pytest.fixture(scope="session")
def stack(request: pytest.FixtureRequest) -> Iterator[Stack]:
    """The stack of this test run."""
    workerinput = getattr(request.config, "workerinput", {})
    given = request.config.getoption("--stack")
    if given is not None:
        yield Stack(*given.split(",", 1))
    elif "stack" in workerinput:
        yield Stack(**workerinput["stack"])
    else:
        with running_stack() as running:
            yield running


@pytest.fixture
def kafka(stack: Stack) -> str:
    """Kafka's bootstrap server."""
    return stack.kafka


@pytest.fixture
def topic_prefix(stack: Stack) -> Iterator[str]:
    """A prefix for topics and groups of this test alone; its topics are deleted afterwards."""
    with fresh_prefix(stack) as prefix:
        yield prefix


@pytest.fixture
def postgres_admin_url(stack: Stack) -> str:
    """A database whose user may create others."""
    return stack.postgres


@pytest.fixture
def database(stack: Stack) -> Iterator[str]:
    """The URL of a migrated, empty database of this test alone."""
    with fresh_database(stack) as url:
        yield url


@pytest.fixture
def own_stack() -> Iterator[OwnStack]:
    """A Kafka and a Postgres that this test may kill and start again."""
    with running_own_stack() as running:
        yield running
