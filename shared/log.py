"""JSON logs by structlog: one line per log event, with ids only, never a name, an address or a secret."""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog
from structlog.tracebacks import ExceptionDictTransformer

Log = structlog.stdlib.BoundLogger


def configure(service: str, level: str = "info") -> None:
    """Route structlog and the standard library's loggers to JSON lines on standard output."""
    number = logging.getLevelNamesMapping()[level.upper()]
    stamp: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *stamp,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=stamp,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                # Without local variables: they hold names, addresses and secrets.
                structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False)),
                _first_lines,
                structlog.processors.EventRenamer("message"),
                _name_service(service),
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(number)
    # At INFO these repeat our own lines; SQL parameters and SMTP commands are personal data.
    for noisy in (
        "aiokafka",
        "uvicorn.access",
        "httpx",
        "httpcore",
        "alembic",
        "sqlalchemy.engine",
        "kafka",
        "mail.log",
    ):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    # These write a line for each request that is none, and so whoever sends such requests would fill the disk.
    for told_by_strangers in ("uvicorn.error", "python_multipart"):
        logging.getLogger(told_by_strangers).setLevel(max(number, logging.ERROR))


def beside_the_output() -> None:
    """For commands: what they print is what somebody asked for, so only warnings are told, on standard error."""
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def reason(error: BaseException) -> str:
    """An error in one line: a database's further lines quote the values of rows, and those are personal data."""
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


def _first_lines(_logger: Any, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Of every error in a traceback, the first line (see `reason`)."""
    for part in line.get("exception") or ():
        part["exc_value"] = (str(part["exc_value"]).splitlines() or [""])[0][:200]
    return line


def _name_service(service: str) -> Any:
    def add(_logger: Any, _method: str, line: dict[str, Any]) -> dict[str, Any]:
        return {"service": service, **line}

    return add


def get(name: str) -> Log:
    """The logger of a module. Bind `event_id` and `trace_id` to lines that are about an event."""
    logger: Log = structlog.stdlib.get_logger(name)
    return logger


def is_debug(name: str) -> bool:
    """Whether debug lines are wanted: hot paths ask once, not per event."""
    return logging.getLogger(name).isEnabledFor(logging.DEBUG)


def trace_id(traceparent: str | None) -> str | None:
    """The trace id inside a W3C traceparent, for log lines."""
    parts = traceparent.split("-") if traceparent else []
    return parts[1] if len(parts) == 4 else None  # noqa: PLR2004 - version, trace, span, flags
