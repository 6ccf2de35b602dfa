"""Where everything listens unless a setting says otherwise. A test compares the compose file and Prometheus's."""

from typing import Final

INGEST: Final = 8080
SCORING: Final = 8081
NURTURE: Final = 8082
RUN: Final = 8089  # the supervisor's own metrics
DEMO: Final = 8090
DEMO_SMTP: Final = 1025
EMBEDDED_KAFKA: Final = 19092
EMBEDDED_POSTGRES: Final = 15432
