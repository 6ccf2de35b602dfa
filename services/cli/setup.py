"""Everything the services need before they start: tokens and secrets, schemas, topics. Safe to repeat."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final, TypeVar

from services.cli.unreachable import Unreachable
from services.ingest.config import sources
from services.nurture import config as endpoints
from services.nurture.language.compile import load_workflows
from services.nurture.outlets import load_outlets
from services.scoring.config import load_scoring
from shared import secrets
from shared.db.migrate import migrate
from shared.db.services import SERVICES
from shared.errors import ConfigProblem, ConfigurationError
from shared.kafka.logins import make_known, read_logins
from shared.kafka.rights import USERS, grant
from shared.kafka.topics import Topics, create_topics
from shared.kafka.transient import passes
from shared.settings import Settings

T = TypeVar("T")
_PATIENCE_S: Final = 60.0
_EVERY_S: Final = 0.3


async def set_up(settings: Settings) -> list[str]:
    """Make secrets, migrate, create topics. Returns a line for each thing done.

    Waits up to a minute for Kafka and Postgres. Raises ConfigurationError, or Unreachable.
    """
    done = make_secrets(settings)
    check_configuration(settings.config, settings.state)
    done += await migrate_all(settings)
    done += await make_topics(settings)
    return done


def make_secrets(settings: Settings) -> list[str]:
    """Make the admin token, the key secret, and a value for each secret the configuration names and nobody set."""
    names = sources.secret_names(settings.config)
    names |= endpoints.secret_names(endpoints.load_endpoints(settings.config))
    secrets.ensure_admin_token(settings.state)
    secrets.ensure_key_secret(settings.state)
    before = secrets.read_state_secrets(settings.state)
    after = secrets.ensure_state_secrets(settings.state, names)
    return [f"made {name} in {settings.state / secrets.SECRETS_FILE}" for name in sorted(after.keys() - before.keys())]


def check_configuration(config: Path, state: Path) -> list[ConfigProblem]:
    """Load all that a start reads, by the start's own code.

    Returns the warnings; raises ConfigurationError with all problems of all files.
    """
    problems: list[ConfigProblem] = []
    warnings: list[ConfigProblem] = []

    def attempt(load: Callable[[], T]) -> T | None:
        try:
            return load()
        except ConfigurationError as error:
            problems.extend(problem for problem in error.problems if problem not in problems)
            return None

    known = attempt(lambda: sources.load_sources(config, environment=os.environ, state=state))
    if known is not None:
        warnings.extend(known.warnings)
    attempt(lambda: load_scoring(config))
    attempt(lambda: load_outlets(config, environment=os.environ, state=state))
    workflows = attempt(lambda: load_workflows(config))
    if workflows is not None:
        warnings.extend(workflows.warnings)
    if problems:
        raise ConfigurationError(problems)
    return warnings


async def migrate_all(settings: Settings) -> list[str]:
    """Bring every schema to its newest revision, once Postgres answers."""
    url = settings.database_url()
    for service in SERVICES:

        async def step(service: str = service) -> None:
            await migrate(url, service)

        await _patiently(step, "Postgres", "FIRSTHOUR_DATABASE")
    return [f"schema {service} is up to date" for service in SERVICES]


async def make_topics(settings: Settings) -> list[str]:
    """Create the topics that are missing, once Kafka answers; with `kafka_grant` say who is who and may do what."""

    async def create() -> list[str]:
        return await create_topics(
            settings.kafka,
            Topics(settings.topic_prefix),
            partitions=settings.topic_partitions,
            replication=settings.topic_replication,
            access=settings.kafka_access(),
        )

    async def allow() -> None:
        await grant(settings.kafka, Topics(settings.topic_prefix), access=settings.kafka_access())

    done = []
    if settings.kafka_grant and settings.kafka_logins:
        logins = read_logins(settings.kafka_logins)
        await _patiently(lambda: make_known(logins), "Kafka's controller", "FIRSTHOUR_KAFKA_LOGINS")
        done.append(f"Kafka knows the logins of {', '.join(logins.passwords)}")
    created = await _patiently(create, "Kafka", "FIRSTHOUR_KAFKA")
    done += [f"created topic {name}" for name in created] or ["all topics are there"]
    if settings.kafka_grant:
        await _patiently(allow, "Kafka", "FIRSTHOUR_KAFKA_GRANT")
        done.append(f"Kafka lets {', '.join(USERS)} do what each needs")
    return done


async def _patiently(work: Callable[[], Awaitable[T]], what: str, setting: str) -> T:
    loop = asyncio.get_running_loop()
    end = loop.time() + _PATIENCE_S
    while True:
        try:
            return await work()
        except Exception as error:
            if not passes(error):
                raise
            if loop.time() > end:
                reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
                raise Unreachable(
                    f"{what} did not answer within {_PATIENCE_S:.0f} s ({reason}); see {setting}"
                ) from None
        await asyncio.sleep(_EVERY_S)
