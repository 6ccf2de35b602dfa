"""Process settings: `FIRSTHOUR_*`, each documented beside its default. Each service adds its own in settings.py."""

import os
import socket
from pathlib import Path
from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared import ports, secrets
from shared.db.database_url import state_url, with_state_password
from shared.errors import ConfigProblem, ConfigurationError
from shared.kafka.access import Access, Mechanism, state_access, state_bootstrap
from shared.tokens import TOKENS_FILE

S = TypeVar("S", bound="Settings")


class Settings(BaseSettings):
    """What every service needs to know about where it runs."""

    model_config = SettingsConfigDict(env_prefix="FIRSTHOUR_", extra="ignore", frozen=True)
    kafka_login: ClassVar[str] = (
        ""  # with which of the logins of a broker of ours; none: the one that may do everything
    )

    kafka: Annotated[str, Field(description="Kafka's bootstrap servers, comma separated.")] = (
        f"127.0.0.1:{ports.EMBEDDED_KAFKA}"
    )
    kafka_user: Annotated[
        str, Field(description="Kafka's user (SASL); none: no authentication, or as the state's broker asks for it.")
    ] = ""
    kafka_password: Annotated[
        SecretStr, Field(description="The user's password, or a reference to it: `file:/path`, `env:NAME`.")
    ] = SecretStr("")
    kafka_mechanism: Annotated[Mechanism, Field(description="How Kafka checks them: PLAIN or SCRAM.")] = "SCRAM-SHA-512"
    kafka_tls: Annotated[bool, Field(description="Whether to speak TLS with Kafka.")] = False
    kafka_grant: Annotated[
        bool,
        Field(
            description="Whether `setup` allows Kafka's users `ingest`, `scoring` and `nurture` what each needs (ACLs)."
        ),
    ] = False
    kafka_logins: Annotated[
        Path | None,
        Field(description="With `kafka_grant`: the file of logins that `setup` tells Kafka; compose has one."),
    ] = None
    database: Annotated[
        SecretStr, Field(description="The Postgres URL, or a reference to it: `file:/path`, `env:NAME`.")
    ] = SecretStr(f"postgresql://127.0.0.1:{ports.EMBEDDED_POSTGRES}/firsthour")
    config: Annotated[Path, Field(description="The folder of what a business edits.")] = Path("config")
    state: Annotated[Path, Field(description="The folder of tokens, spool and the embedded data.")] = Path(".firsthour")
    host: Annotated[str, Field(description="The address that services listen on.")] = "127.0.0.1"
    topic_prefix: Annotated[str, Field(description="In front of every topic and group name; empty in production.")] = ""
    topic_partitions: Annotated[int, Field(ge=1, description="Partitions of a topic when it is created.")] = 12
    topic_replication: Annotated[int, Field(ge=1, description="Replicas; 3 in the cluster profile.")] = 1
    instance: Annotated[
        str,
        Field(description="A name that stays over restarts, so that a restarted consumer has its work back at once."),
    ] = socket.gethostname()
    admin_token: Annotated[
        SecretStr | None,
        Field(description="The token of the read APIs; default: the state folder's `admin-token`."),
    ] = None
    tokens: Annotated[
        Path | None,
        Field(description="The file of the tokens of `firsthour tokens`; default: the state folder's `tokens.json`."),
    ] = None
    key_secret: Annotated[
        SecretStr | None,
        Field(description="Secret of the partition keys; default: the state folder's `key-secret`. Never change it."),
    ] = None
    log_level: Annotated[str, Field(pattern="^(debug|info|warning|error)$", description="From which level to log.")] = (
        "info"
    )

    @model_validator(mode="before")
    @classmethod
    def _left_by_run(cls, given: dict[str, Any]) -> dict[str, Any]:
        """Kafka and Postgres that nothing is said of are those of `firsthour run`, on the ports it last gave them."""
        state = Path(given.get("state") or cls.model_fields["state"].default)
        left = {"kafka": state_bootstrap(state), "database": state_url(state)}
        return {name: found for name, found in left.items() if found is not None} | given

    @field_validator("database", "kafka_password")
    @classmethod
    def _resolve(cls, value: SecretStr) -> SecretStr:
        text = value.get_secret_value()
        if not secrets.is_reference(text):
            return value
        try:
            return SecretStr(secrets.resolve(text, os.environ))
        except secrets.MissingSecret as error:
            raise ValueError(str(error)) from None

    def kafka_access(self) -> Access:
        """How we authenticate with Kafka: by the settings, else as `firsthour run` left it for its own broker."""
        if self.kafka_user or self.kafka_tls:
            return Access(
                self.kafka_user, self.kafka_password.get_secret_value(), self.kafka_mechanism, tls=self.kafka_tls
            )
        return state_access(self.state, self.kafka, self.kafka_login)

    def database_url(self) -> str:
        """The Postgres URL: the setting, with the password that `firsthour run` left for its own database."""
        return with_state_password(self.database.get_secret_value(), self.state)

    def token(self) -> str:
        """The admin token: the setting, else the state's file (generated if there is none)."""
        if self.admin_token is not None:
            return self.admin_token.get_secret_value()
        return secrets.ensure_admin_token(self.state)

    def tokens_file(self) -> Path:
        """The file of the tokens beside the admin token."""
        return self.tokens or self.state / TOKENS_FILE

    def partition_key_secret(self) -> bytes:
        """The secret of every partition key: the setting, else the state's file (generated if there is none)."""
        given = self.key_secret
        return (given.get_secret_value() if given is not None else secrets.ensure_key_secret(self.state)).encode()


def load(kind: type[S], **given: Any) -> S:
    """The settings: `given` first, then the environment. Raises ConfigurationError naming each variable."""
    try:
        return kind(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        raise ConfigurationError(
            [
                ConfigProblem(Path("environment"), None, "FIRSTHOUR_" + "_".join(map(str, e["loc"])).upper(), e["msg"])
                for e in error.errors(include_input=False)
            ]
        ) from None
