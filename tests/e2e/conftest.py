"""One installation for all end-to-end tests of a worker: real processes, a receiver, a mailbox."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Message

from tests.e2e.docs_examples import Installed, installed_as_documented
from tests.support.processes import Firsthour, free_ports, installed
from tests.support.receiver import receiving_apart
from tests.support.stack import Stack, fresh_database, fresh_prefix
from tests.support.webhook_receiver import Receiver


@dataclass
class Mailbox(Message):
    """Every mail that was taken by a real SMTP conversation."""

    mails: list[EmailMessage] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(EmailMessage)

    def handle_message(self, message: object) -> None:
        assert isinstance(message, EmailMessage)
        self.mails.append(message)

    def to(self, address: str) -> list[EmailMessage]:
        return [mail for mail in list(self.mails) if address in str(mail["To"])]


@pytest.fixture(scope="package")
def receiver() -> Iterator[Receiver]:
    with receiving_apart() as receiver:
        yield receiver


@pytest.fixture(scope="package")
def mailbox() -> Iterator[tuple[Mailbox, int]]:
    box, (port,) = Mailbox(), free_ports(1)
    server = Controller(box, hostname="127.0.0.1", port=port)
    server.start()
    yield box, port
    server.stop()


@pytest.fixture(scope="package")
def firsthour(
    stack: Stack, receiver: Receiver, mailbox: tuple[Mailbox, int], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Firsthour]:
    folder: Path = tmp_path_factory.mktemp("firsthour")
    with (
        fresh_database(stack) as database,
        fresh_prefix(stack) as prefix,
        installed(
            stack.kafka,
            database,
            prefix,
            folder,
            receiver_port=receiver.port,
            smtp_port=mailbox[1],
            settings={"FIRSTHOUR_CANARY": "2s"},  # no test sees anything of it but the boards'
        ) as running,
    ):
        yield running
        assert running.stop() == {"ingest": 0, "scoring": 0, "nurture": 0}, "each stops in order when asked"


@pytest.fixture(scope="package")
def documented(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    """Ingest and scoring as the pages on how events come in set them up."""
    (site,) = free_ports(1)
    with fresh_database(stack) as database, fresh_prefix(stack) as prefix:
        firsthour = Firsthour(stack.kafka, database, prefix, tmp_path_factory.mktemp("docs"), 1, 1)
        with installed_as_documented(firsthour, site) as installed:
            yield installed
