# ruff: noqa: INP001 - a script of the image, not a package
"""The container's health: `ready.py PORT [PATH]` is 0 when the service answers 200 there, and prints it."""

import http.client
import sys


def main(port: str, path: str = "/readyz") -> int:
    """0 when the service on this port says that it is ready, else 1."""
    connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=3)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        print(answer.read().decode(errors="replace"))  # noqa: T201 - `docker inspect` shows it
    except (OSError, http.client.HTTPException) as error:
        print(f"no answer on port {port}: {error}")  # noqa: T201 - `docker inspect` shows it
        return 1
    return 0 if answer.status == http.HTTPStatus.OK else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
