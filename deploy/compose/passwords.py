# ruff: noqa: INP001 - a script of the image, not a package
"""The passwords, made once into volumes: no default that everyone knows, and nothing to prepare.

Writes `postgres-password` for the database, `database-url` for the services and `grafana-password` for Grafana's user
`admin` (all 0600) into the first folder. Of the second, each service has a folder to itself, with its `kafka-password`
(0600); `setup` has all of them in `kafka-logins.json`, to tell Kafka, and Kafka has `setup`'s in `jaas.conf`, for
whichever user the broker is. What is there, stays: Postgres and Grafana took theirs when their volumes were new.
"""

import secrets
import sys
from pathlib import Path
from typing import Final

from shared.kafka.access import Access
from shared.kafka.logins import Logins, write_logins
from shared.kafka.rights import USERS
from shared.secrets import write_private

SUPER_USER: Final = "firsthour"
CONTROLLER: Final = "kafka:9093"
_WORD: Final = "kafka-password"


def main(folder: Path, logins: Path) -> int:
    """Make what is missing in the folders; always 0."""
    url = folder / "database-url"
    for name in ("postgres-password", "grafana-password"):
        _made(folder / name)
    if not url.exists():
        word = (folder / "postgres-password").read_text(encoding="utf-8")
        write_private(url, f"postgresql://firsthour:{word}@postgres:5432/firsthour")
    words = {SUPER_USER: _made(logins / "setup" / _WORD)} | {name: _made(logins / name / _WORD) for name in USERS}
    jaas = logins / "kafka" / "jaas.conf"
    write_private(jaas, _jaas(words[SUPER_USER]))
    jaas.chmod(0o444)  # in a volume that Kafka alone has
    access = Access(SUPER_USER, words[SUPER_USER], "PLAIN")
    write_logins(logins / "setup" / "kafka-logins.json", Logins(CONTROLLER, access, words))
    return 0


def _made(path: Path) -> str:
    if not path.exists():
        write_private(path, secrets.token_urlsafe(32))
    return path.read_text(encoding="utf-8")


def _jaas(word: str) -> str:
    """One login for both listeners: by SCRAM the broker's own to itself, by PLAIN `setup`'s to the controller."""
    security, login = "org.apache.kafka.common.security", f'username="{SUPER_USER}" password="{word}"'
    return (
        f"clients.KafkaServer {{\n    {security}.scram.ScramLoginModule required\n    {login};\n}};\n"
        f"controller.KafkaServer {{\n    {security}.plain.PlainLoginModule required\n"
        f'    {login}\n    user_{SUPER_USER}="{word}";\n}};\n'
    )


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
