"""Which errors are worth a retry where work needs both Kafka and Postgres."""

from aiokafka.errors import KafkaError

from shared.db.transient import is_transient


def passes(error: BaseException) -> bool:
    """Whether waiting and trying again may help."""
    return isinstance(error, KafkaError) or is_transient(error)
