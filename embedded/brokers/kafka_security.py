"""Who gets in to the embedded broker: its settings, and a look whether it lets us in."""

from contextlib import suppress
from typing import Final

from aiokafka.conn import create_conn
from aiokafka.errors import KafkaError
from aiokafka.protocol.metadata import MetadataRequest

from embedded.brokers.ports import LOOPBACK
from shared.kafka.access import OPEN, Access
from shared.kafka.logins import MECHANISM, Logins

OPEN_SETTINGS: Final = {"listener.security.protocol.map": "CONTROLLER:PLAINTEXT,CLIENTS:PLAINTEXT"}
"""For tests: whoever has an account on this machine gets in."""
_ANSWER_MS: Final = 2000


def settings(whole: Access, logins: Logins) -> dict[str, str]:
    """Both listeners ask for a password: who reaches the controller can change all that the broker holds.

    Clients log in by SCRAM, which shows no password to whoever listens on the port while the broker is away. Each
    service has a login of its own, which may do what `setup` grants it (shared/kafka/rights.py).
    """
    security, own = "org.apache.kafka.common.security", logins.access
    return {
        "listener.security.protocol.map": "CONTROLLER:SASL_PLAINTEXT,CLIENTS:SASL_PLAINTEXT",
        "listener.name.clients.sasl.enabled.mechanisms": MECHANISM,
        "listener.name.controller.sasl.enabled.mechanisms": own.mechanism,
        "sasl.mechanism.inter.broker.protocol": MECHANISM,
        "sasl.mechanism.controller.protocol": own.mechanism,
        f"listener.name.clients.{MECHANISM.lower()}.sasl.jaas.config": (
            f'{security}.scram.ScramLoginModule required username="{whole.user}" password="{whole.password}";'
        ),
        f"listener.name.controller.{own.mechanism.lower()}.sasl.jaas.config": (
            f'{security}.plain.PlainLoginModule required username="{own.user}" password="{own.password}" '
            f'user_{own.user}="{own.password}";'
        ),
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": f"User:{whole.user}",
    }


async def answers(port: int, access: Access = OPEN) -> bool:
    """Whether the broker accepts our password, proves that it knows it, and its metadata name at least one broker."""
    with suppress(OSError, TimeoutError, KafkaError, ValueError):
        connection = await create_conn(LOOPBACK, port, request_timeout_ms=_ANSWER_MS, **access.arguments())
        try:
            metadata = await connection.send(MetadataRequest([]))
        finally:
            await connection.close()
        return bool(metadata.brokers)
    return False
