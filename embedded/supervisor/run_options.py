"""The settings of `firsthour run`."""

from typing import Annotated, Any, Final

from pydantic import Field, model_validator

from embedded.brokers.ports import LOOPBACK, free_port
from shared import ports
from shared.settings import Settings

_ANY_ADDRESS: Final = ("0.0.0.0", "::")  # noqa: S104 - recognised, not listened on
_PORTS: Final = (
    "embedded_kafka_port", "embedded_postgres_port", "ingest_port", "scoring_port", "nurture_port", "demo_port",
    "demo_smtp_port", "run_port",
)  # fmt: skip

Port = Annotated[int, Field(ge=0, le=65535)]


class RunOptions(Settings):
    """The settings of `firsthour run` on top of those of every service. A port of 0 means any free one."""

    ingest_port: Annotated[Port, Field(description="The port of ingest.")] = ports.INGEST
    scoring_port: Annotated[Port, Field(description="The port of scoring.")] = ports.SCORING
    nurture_port: Annotated[Port, Field(description="The port of nurture.")] = ports.NURTURE
    embedded_kafka_port: Annotated[
        Port, Field(description="The port of the embedded Kafka; commands find it by the state folder.")
    ] = ports.EMBEDDED_KAFKA
    embedded_postgres_port: Annotated[
        Port, Field(description="The port of the embedded Postgres; commands find it by the state folder.")
    ] = ports.EMBEDDED_POSTGRES
    demo_port: Annotated[Port, Field(description="The port of the demo's webhook receiver and its page.")] = ports.DEMO
    run_port: Annotated[Port, Field(description="The port of its own `/metrics`: how each part is.")] = ports.RUN
    demo_smtp_port: Annotated[Port, Field(description="The port of the demo's mailbox.")] = ports.DEMO_SMTP

    @model_validator(mode="before")
    @classmethod
    def _left_by_run(cls, given: dict[str, Any]) -> dict[str, Any]:
        """It brings its own: what an earlier one left is not what a person has set."""
        return given

    def wanted_ports(self) -> dict[str, int]:
        """Every port by its environment variable."""
        return {f"FIRSTHOUR_{name.upper()}": getattr(self, name) for name in _PORTS}

    def chosen_ports(self) -> dict[str, int]:
        """The ports of the services and of the sinks (`sinks`, `smtp`), a free one for each 0."""
        wanted = {
            "ingest": self.ingest_port,
            "scoring": self.scoring_port,
            "nurture": self.nurture_port,
            "sinks": self.demo_port,
            "smtp": self.demo_smtp_port,
            "run": self.run_port,
        }
        chosen: dict[str, int] = {}
        for name, port in wanted.items():
            chosen[name] = port or free_port([*wanted.values(), *chosen.values()])
        return chosen

    def reachable_host(self, name: str) -> str:
        """The address at which this machine reaches a service; the demo's sinks are always local."""
        return LOOPBACK if name == "sinks" or self.host in _ANY_ADDRESS else self.host
