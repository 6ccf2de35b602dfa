"""A webhook as `endpoints.yaml` describes it: signed with each secret, and sent nowhere that was not allowed."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from services.nurture.channels.sending import NotBegun, Send
from services.nurture.domain.deliveries.retry import Answered, Impossible, MaybeSent, NotSent
from services.nurture.outlets import load_outlets
from tests.support.webhook_receiver import HALF, RESET, Behave, Receiver, status
from tests.unit.nurture.builders import a_given

NEW, OLD, STRANGE = ("whsec_" + letter * 32 for letter in "abc")


@asynccontextmanager
async def channel(tmp_path: Path, url: str, *, own: bool = True) -> AsyncIterator[Send]:
    text = f"webhooks: {{crm: {{url: '{url}', secrets: [env:NEW, env:OLD], allow_private: {str(own).lower()}}}}}"
    (tmp_path / "endpoints.yaml").write_text(text)
    outlets = load_outlets(tmp_path, environment={"NEW": NEW, "OLD": OLD}, state=tmp_path)
    async with AsyncExitStack() as closing:
        yield outlets.open(closing)["crm"][1]


async def begin() -> None:
    """Nothing is against it."""


async def test_while_secrets_rotate_whoever_knows_either_takes_it(tmp_path: Path, receiver: Receiver) -> None:
    given = a_given()
    async with channel(tmp_path, receiver.url()) as send:
        result = await send(given, begin)
    assert result.outcome == Answered(200, None)
    (received,) = receiver.received
    assert received.body == bytes(given.payload)
    assert received.headers["webhook-id"] == str(given.id)
    for secret in (NEW, OLD):
        Webhook(secret).verify(received.body, received.headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(STRANGE).verify(received.body, received.headers)


async def test_what_may_not_begin_is_not_sent(tmp_path: Path, receiver: Receiver) -> None:
    async def no() -> None:
        raise NotBegun

    async with channel(tmp_path, receiver.url()) as send:
        with pytest.raises(NotBegun):
            await send(a_given(), no)
    assert receiver.received == []


async def test_the_own_network_has_to_be_allowed(tmp_path: Path, receiver: Receiver) -> None:
    async with channel(tmp_path, f"https://localhost:{receiver.port}/", own=False) as send:
        result = await send(a_given(), begin)
    assert isinstance(result.outcome, Impossible), "and no try of it follows"


@pytest.mark.parametrize("behaviour", [RESET, HALF])
async def test_what_broke_off_may_have_arrived_and_a_closed_port_took_nothing(
    tmp_path: Path, receiver: Receiver, behaviour: Behave
) -> None:
    receiver.answers([behaviour, status(503, "retry-after: 7")])
    async with channel(tmp_path, receiver.url()) as send:
        assert isinstance((await send(a_given(), begin)).outcome, MaybeSent)
        assert (await send(a_given(), begin)).outcome == Answered(503, 7.0)
    async with channel(tmp_path, "http://127.0.0.1:9/") as send:
        assert isinstance((await send(a_given(), begin)).outcome, NotSent)
