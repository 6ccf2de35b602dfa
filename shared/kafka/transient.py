"""Which errors are worth a retry where work needs both Kafka and Postgres."""

from aiokafka.errors import KafkaError

from shared.db.transient import is_transient


def passes(error: BaseException) -> bool:
    """Whether waiting and trying again may help."""
    return isinstance(error, KafkaError) or is_transient(error)


def most_telling(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The error of a task group that decides what happens next: one that does not pass, if there is one."""
    flat = [most_telling(error) if isinstance(error, BaseExceptionGroup) else error for error in group.exceptions]
    return next((e for e in flat if not passes(e)), flat[0])
