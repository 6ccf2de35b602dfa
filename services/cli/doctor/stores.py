"""Whether Kafka and Postgres answer, accept us, hold what they should, and agree with our clock."""

import asyncio
import socket
from datetime import datetime
from typing import Final

import asyncpg
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.conn import create_conn
from aiokafka.errors import (
    AuthenticationMethodNotSupported,
    IllegalSaslStateError,
    KafkaError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)

from services.cli.doctor.finding import PATIENCE_S, Finding, ok, wrong
from shared.db.database_url import NotAPostgresUrl, dsn
from shared.db.services import SERVICES
from shared.kafka.topics import Topics
from shared.settings import Settings

_KAFKA: Final = "kafka"
_DATABASE: Final = "database"
_CLOCK: Final = "clock"
_APART_S: Final = 5.0
# What a broker says of a user, password or mechanism that it does not take.
_NOT_OURS: Final = (
    AuthenticationMethodNotSupported, IllegalSaslStateError, SaslAuthenticationFailed, UnsupportedSaslMechanismError,
)  # fmt: skip


async def kafka(settings: Settings) -> list[Finding]:
    """The broker, whether it accepts our user, and the topics."""
    at = settings.kafka
    if (unreachable := await _unreachable(at)) is not None:
        do = "start it (`firsthour run` brings its own), or name another one: FIRSTHOUR_KAFKA"
        return [wrong(_KAFKA, f"{at} cannot be reached: {unreachable}", do)]
    admin = AIOKafkaAdminClient(
        bootstrap_servers=at,
        client_id="firsthour-doctor",
        request_timeout_ms=5000,
        **settings.kafka_access().arguments(),
    )
    try:
        async with asyncio.timeout(2 * PATIENCE_S):
            await admin.start()
            there = set(await admin.list_topics())
    except (KafkaError, OSError, TimeoutError) as error:
        name = type(error).__name__
        if await _rejected(settings):
            do = "fix FIRSTHOUR_KAFKA_USER, _PASSWORD and _MECHANISM"
            return [wrong(_KAFKA, f"{at} answers, but does not take our user and password", do)]
        do = "it listens, but does not talk to us: see its log, and FIRSTHOUR_KAFKA_TLS, _USER, _PASSWORD"
        return [wrong(_KAFKA, f"{at} is no Kafka for us ({name})", do)]
    finally:
        await admin.close()
    topics = Topics(settings.topic_prefix).retention_days()
    missing = [name for name in topics if name not in there]
    if missing:
        return [wrong(_KAFKA, f"{at} answers, but has no topic {', '.join(missing)}", "create them: firsthour topics")]
    return [ok(_KAFKA, f"{at} answers, and has all {len(topics)} topics")]


async def _rejected(settings: Settings) -> bool:
    """Whether it rejects our login, which the client that asks for topics does not tell from other failures."""
    for address in settings.kafka.split(","):
        host, _, port = address.strip().rpartition(":")
        try:
            async with asyncio.timeout(PATIENCE_S):
                given = settings.kafka_access().arguments()
                connection = await create_conn(host.strip("[]"), int(port), request_timeout_ms=5000, **given)
        except _NOT_OURS:
            return True
        except (KafkaError, OSError, TimeoutError):
            continue
        connection.close()
    return False


async def _unreachable(addresses: str) -> str | None:
    """Why none of them accepts a connection; None when one does."""
    reasons = []
    for address in addresses.split(","):
        host, _, port = address.strip().rpartition(":")
        if not host or not port.isdecimal():
            reasons.append(f"{address.strip()!r} is no host:port")
            continue
        try:
            async with asyncio.timeout(PATIENCE_S):
                _, writer = await asyncio.open_connection(host.strip("[]"), int(port))
        except TimeoutError:
            reasons.append("no answer within 5 s (a firewall?)")
        except OSError as error:
            reasons.append(_because(error))
        else:
            writer.close()
            return None
    return "; ".join(dict.fromkeys(reasons))


def _because(error: OSError) -> str:
    if isinstance(error, socket.gaierror):  # unknown, or nobody answers for names
        return "its name is not known (DNS)"
    if isinstance(error, ConnectionRefusedError) or "refused" in str(error).lower() or "Connect call" in str(error):
        return "nothing listens there"
    return str(error)


async def database(settings: Settings, now: datetime) -> list[Finding]:
    """Postgres: whether it accepts our user, the schemas, and its clock against ours (`now`, as this machine says)."""
    try:
        url = dsn(settings.database_url())
    except NotAPostgresUrl as error:
        return [wrong(_DATABASE, str(error), "fix FIRSTHOUR_DATABASE")]
    loop = asyncio.get_running_loop()
    begun = loop.time()
    try:
        conn = await asyncpg.connect(url, timeout=PATIENCE_S)
    except Exception as error:  # noqa: BLE001 - asyncpg raises many kinds; each is reported
        return [_refused(error)]
    try:
        theirs: datetime = await conn.fetchval("SELECT clock_timestamp()")
        rows = await conn.fetch(
            "SELECT schemaname FROM pg_tables WHERE tablename = 'schema_version' AND schemaname = ANY($1)",
            list(SERVICES),
        )
    finally:
        await conn.close()
    missing = sorted(set(SERVICES) - {row["schemaname"] for row in rows})
    found = [
        wrong(_DATABASE, f"it answers, but has no schema {', '.join(missing)}", "make them: firsthour migrate")
        if missing
        else ok(_DATABASE, "it answers, knows us, and has the schemas")
    ]
    found.append(_clock(now, theirs, loop.time() - begun))
    return found


def _clock(ours: datetime, theirs: datetime, took_s: float) -> Finding:
    apart = (ours - theirs).total_seconds()
    if abs(apart) <= _APART_S + took_s:
        return ok(_CLOCK, "this machine and the database agree on the time")
    which = "ahead of" if apart > 0 else "behind"
    do = "sync both by NTP (timedatectl set-ntp true): signed webhooks are refused, leads look old or in the future"
    return wrong(_CLOCK, f"this machine is {abs(apart):,.0f} s {which} the database", do)


def _refused(error: Exception) -> Finding:
    if isinstance(error, asyncpg.InvalidAuthorizationSpecificationError):  # wrong passwords too
        return wrong(_DATABASE, "it answers, but does not take our user and password", "fix FIRSTHOUR_DATABASE")
    if isinstance(error, asyncpg.InvalidCatalogNameError):
        return wrong(
            _DATABASE, "it answers, but there is no database of that name", "create it, or fix FIRSTHOUR_DATABASE"
        )
    if isinstance(error, asyncpg.PostgresError):
        return wrong(_DATABASE, f"it answers, and refuses ({type(error).__name__})", "see Postgres' log")
    said = type(error).__name__
    if isinstance(error, OSError):
        said = "no answer within 5 s" if isinstance(error, TimeoutError) else _because(error)
    do = "start it (`firsthour run` brings its own), or name another one: FIRSTHOUR_DATABASE"
    return wrong(_DATABASE, f"it cannot be reached: {said}", do)
