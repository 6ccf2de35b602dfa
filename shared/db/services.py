"""The services that keep a schema in Postgres. Each is named as its schema is."""

from typing import Final, Literal, TypeAlias, get_args

Service: TypeAlias = Literal["scoring", "nurture"]
SERVICES: Final[tuple[Service, ...]] = get_args(Service)
