"""Signatures that a public key proves: SNS' by its certificate, SendGrid's by the key in sources.yaml.

The certificate's host is Amazon's: here its name leads to a server of the test. SNS: https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message-verify-message-signature.html.
SendGrid: https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/getting-started-event-webhook-security-features.
"""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import NameOID

from services.ingest.app import build
from services.ingest.domain.hooks.hook import Incoming, Signed, Unverified
from services.ingest.domain.hooks.mailing import sendgrid, ses
from services.ingest.proofs import Proofs
from services.ingest.settings import IngestSettings
from shared.errors import Transient
from shared.kafka.topics import Topics, create_topics
from shared.runtime.service import serving
from shared.secrets import ensure_state_secrets
from tests.support.servers import listening
from tests.support.waiting import until

NOW = datetime.now(UTC)
TOPIC = "arn:aws:sns:eu-central-1:123456789012:mail"
CERTIFICATE = "https://sns.eu-central-1.amazonaws.com/SimpleNotificationService-0123456789abcdef.pem"
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
CURVE_KEY = ec.generate_private_key(ec.SECP256R1())


def pem(name: str = "sns.amazonaws.com", *, days: int = 30) -> bytes:
    """A certificate of that name, until in so many days."""
    called = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    made = (
        x509.CertificateBuilder()
        .subject_name(called)
        .issuer_name(called)
        .public_key(KEY.public_key())
        .serial_number(1)
        .not_valid_before(NOW - timedelta(days=60))
        .not_valid_after(NOW + timedelta(days=days))
        .sign(KEY, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM)


class Elsewhere(httpx.AsyncBaseTransport):
    """Dials a server of this test where Amazon's name is called; `asked` are the addresses that were meant."""

    def __init__(self, port: int) -> None:
        self.asked: list[str] = []
        self._port = port
        self._network = httpx.AsyncHTTPTransport()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(str(request.url))
        there = request.url.copy_with(scheme="http", host="127.0.0.1", port=self._port)
        return await self._network.handle_async_request(httpx.Request("GET", there, extensions=request.extensions))

    async def aclose(self) -> None:
        await self._network.aclose()


@asynccontextmanager
async def amazon(body: bytes | None = None, status: int = 200) -> AsyncIterator[tuple[Proofs, list[str]]]:
    """A server that answers this, and what is asked of it."""
    answer = pem() if body is None else body

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with closing(writer):
            await reader.readuntil(b"\r\n\r\n")
            more = "Location: https://evil.example/\r\n" if 300 <= status < 400 else ""
            writer.write(f"HTTP/1.1 {status} x\r\n{more}Content-Length: {len(answer)}\r\n\r\n".encode() + answer)
            await writer.drain()

    async with listening(serve) as port:
        there = Elsewhere(port)
        proofs = Proofs(transport=there)
        try:
            yield proofs, there.asked
        finally:
            await proofs.close()


NOTIFICATION = {
    "Type": "Notification", "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324", "TopicArn": TOPIC,
    "Subject": "Amazon SES Email Event Notification", "Message": '{"notificationType": "Delivery"}',
    "Timestamp": "2026-11-02T00:54:06.655Z", "SignatureVersion": "2", "SigningCertURL": CERTIFICATE,
}  # fmt: skip
CONFIRMATION = {
    **{name: each for name, each in NOTIFICATION.items() if name != "Subject"}, "Type": "SubscriptionConfirmation",
    "Token": "2336412f37", "SubscribeURL": "https://sns.eu-central-1.amazonaws.com/?Action=ConfirmSubscription&Token=2336412f37",
}  # fmt: skip


def signed_by_sns(message: dict[str, str]) -> dict[str, str]:
    """As the page says: the names and values of these fields, a line each, in the order of their names."""
    confirms = message["Type"] != "Notification"
    fields = {"Message", "MessageId", "Timestamp", "TopicArn", "Type"} | (
        {"SubscribeURL", "Token"} if confirms else {"Subject"}
    )
    lines = "".join(f"{name}\n{message[name]}\n" for name in sorted(fields & message.keys()))
    digest = hashes.SHA1() if message["SignatureVersion"] == "1" else hashes.SHA256()
    return {**message, "Signature": base64.b64encode(KEY.sign(lines.encode(), padding.PKCS1v15(), digest)).decode()}


def of_sns(message: Any) -> Signed:
    found = ses.HOOK.signed(Incoming({}, b"", "", NOW), message, {"topic": TOPIC})
    assert found is not None
    return found


@pytest.mark.parametrize("version", ["1", "2"])
@pytest.mark.parametrize("message", [NOTIFICATION, CONFIRMATION], ids=["message", "confirmation"])
async def test_what_sns_signed_is_taken_and_its_certificate_fetched_once(message: dict[str, str], version: str) -> None:
    async with amazon() as (proofs, asked):
        for changed in ({}, {"Message": "another"}):
            await proofs.check(of_sns(signed_by_sns({**message, **changed, "SignatureVersion": version})))
        assert asked == [CERTIFICATE]


@pytest.mark.parametrize("name", ["Message", "MessageId", "Subject", "Timestamp"])
async def test_what_was_changed_is_not(name: str) -> None:
    async with amazon() as (proofs, _):
        with pytest.raises(Unverified):
            await proofs.check(of_sns({**signed_by_sns(NOTIFICATION), name: "changed"}))


@pytest.mark.parametrize(
    "url",
    [
        "http://sns.eu-central-1.amazonaws.com/SimpleNotificationService-0.pem",
        "https://sns.eu-central-1.amazonaws.com.evil.example/SimpleNotificationService-0.pem",
        "https://evil.example/SimpleNotificationService-0.pem",
        "https://sns.eu-central-1.amazonaws.com@evil.example/SimpleNotificationService-0.pem",
        "https://sns.eu-central-1.amazonaws.com:8443/SimpleNotificationService-0.pem",
        "https://bucket.s3.amazonaws.com/SimpleNotificationService-0.pem",
        "https://sns.a.b.amazonaws.com/SimpleNotificationService-0.pem",
        "https://127.0.0.1/SimpleNotificationService-0.pem",
        "https://sns.eu-central-1.amazonaws.com/other.pem",
        "https://sns.eu-central-1.amazonaws.com/../SimpleNotificationService-0.pem",
        "https://sns.eu-central-1.amazonaws.com/SimpleNotificationService-0.pem?x=y",
        "https://sns.eu-central-1.amazonaws.com\\@evil.example/SimpleNotificationService-0.pem",
        "https://[::1]/SimpleNotificationService-0.pem",
        "https://sns.eu-central-1.amazonaws.com\n.evil.example/SimpleNotificationService-0.pem",
        "", None, 1,
    ],
)  # fmt: skip
def test_no_other_address_is_asked_for_a_certificate(url: Any) -> None:
    with pytest.raises(Unverified):
        of_sns({**signed_by_sns(NOTIFICATION), "SigningCertURL": url})


@pytest.mark.parametrize(
    "change",
    [
        {"TopicArn": "arn:aws:sns:eu-central-1:999999999999:mail"}, {"TopicArn": None}, {"SignatureVersion": "3"},
        {"Signature": "no base64!"}, {"Message": None}, {"Message": {}}, {"MessageId": 7}, {"Subject": []},
    ],
)  # fmt: skip
def test_another_topic_or_half_a_message_is_not_taken(change: dict[str, Any]) -> None:
    with pytest.raises(Unverified):
        of_sns({**signed_by_sns(NOTIFICATION), **change})
    bodies: list[Any] = [[], None, "x", {"notificationType": "Bounce"}]
    for body in bodies:  # raw delivery has no signature
        with pytest.raises(Unverified):
            of_sns(body)


@pytest.mark.parametrize(
    "certificate", [pem("evil.example"), pem("sns.amazonaws.com.evil.example"), pem(days=-1), b"no certificate"]
)
async def test_a_certificate_of_somebody_else_or_of_the_past_proves_nothing(certificate: bytes) -> None:
    async with amazon(certificate) as (proofs, _):
        with pytest.raises(Unverified):
            await proofs.check(of_sns(signed_by_sns(NOTIFICATION)))


@pytest.mark.parametrize(("body", "status"), [(b"", 500), (b"", 302), (b"x" * 100_000, 200)])
async def test_what_cannot_be_had_now_is_sent_again(body: bytes, status: int) -> None:
    async with amazon(body, status) as (proofs, asked):
        with pytest.raises(Transient):
            await proofs.check(of_sns(signed_by_sns(NOTIFICATION)))
        assert asked == [CERTIFICATE], "no redirect is followed"


async def test_only_links_of_sns_are_opened() -> None:
    async with amazon(b"ok") as (proofs, asked):
        await proofs.confirm(CONFIRMATION["SubscribeURL"])
        with pytest.raises(Transient):
            await proofs.confirm("https://evil.example/?Action=ConfirmSubscription")
        assert asked == [CONFIRMATION["SubscribeURL"]]


def sendgrid_key() -> str:
    """As SendGrid shows it."""
    der = CURVE_KEY.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return base64.b64encode(der).decode()


async def test_sendgrid_signs_the_timestamp_and_the_body() -> None:
    body, stamp = json.dumps([{"event": "open"}]).encode() + b"\r\n", "1764430000"
    signature = base64.b64encode(CURVE_KEY.sign(stamp.encode() + body, ec.ECDSA(hashes.SHA256()))).decode()
    headers = {
        "x-twilio-email-event-webhook-signature": signature,
        "x-twilio-email-event-webhook-timestamp": stamp,
    }
    options = {"verification_key": sendgrid_key()}
    signed = sendgrid.HOOK.signed(Incoming(headers, body, "", NOW), None, options)
    assert signed is not None
    await Proofs().check(signed)
    for changed in (Incoming(headers, body.strip(), "", NOW), Incoming(headers | {"x-twilio-email-event-webhook-timestamp": "1"}, body, "", NOW)):  # fmt: skip
        other = sendgrid.HOOK.signed(changed, None, options)
        assert other is not None
        with pytest.raises(Unverified):
            await Proofs().check(other)
    for lacking in ({}, {**headers, "x-twilio-email-event-webhook-signature": "no base64!"}):
        with pytest.raises(Unverified):
            sendgrid.HOOK.signed(Incoming(lacking, body, "", NOW), None, options)


def test_options_that_cannot_be_right_are_named() -> None:
    assert not list(ses.HOOK.unfit({"topic": TOPIC}))
    assert [name for name, _ in ses.HOOK.unfit({"topic": "mail"})] == ["topic"]
    lines = sendgrid_key()
    shown = f"-----BEGIN PUBLIC KEY-----\n{lines[:64]}\n{lines[64:]}\n-----END PUBLIC KEY-----\n"
    assert not list(sendgrid.HOOK.unfit({"verification_key": lines}))
    assert not list(sendgrid.HOOK.unfit({"verification_key": shown}))
    assert [name for name, _ in sendgrid.HOOK.unfit({"verification_key": "whsec_x"})] == ["verification_key"]
    for without in (ses.HOOK, sendgrid.HOOK):
        assert without.signed(Incoming({}, b"", "", NOW), {}, {}) is None


SOURCES = """
sources:
  ses: {kind: ses, secrets: [env:PROOFS_TEST_SECRET], options: {topic: "arn:aws:sns:eu-central-1:123456789012:mail"}}
"""
BOUNCED = {
    "notificationType": "Bounce",
    "bounce": {"bounceType": "Permanent", "bouncedRecipients": [{"emailAddress": "ada@example.com"}]},
}


async def test_over_http_what_sns_signed_is_taken_and_its_subscription_confirmed(
    kafka: str, topic_prefix: str, tmp_path: Path
) -> None:
    await create_topics(kafka, Topics(topic_prefix), partitions=1, replication=1)
    (config := tmp_path / "config").mkdir()
    (config / "sources.yaml").write_text(SOURCES)
    secret = ensure_state_secrets(tmp_path, ["PROOFS_TEST_SECRET"])["PROOFS_TEST_SECRET"]
    settings = IngestSettings(kafka=kafka, topic_prefix=topic_prefix, config=config, state=tmp_path)
    async with (
        amazon() as (proofs, asked),
        build(settings, proofs) as service,
        serving(service, host="127.0.0.1", port=0) as port,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=10) as http,
    ):
        await until(lambda: is_ready(http))

        async def told(message: Any, given: str = secret) -> int:
            return (await http.post("/hooks/ses", params={"secret": given}, json=message)).status_code

        bounce = {**NOTIFICATION, "Message": json.dumps(BOUNCED)}
        assert await told(signed_by_sns(bounce), "another") == 401
        assert not asked, "who has no secret makes us ask nobody"
        assert [await told(each) for each in (bounce, {**signed_by_sns(bounce), "Message": "{}"}, BOUNCED)] == [401] * 3
        assert await told(signed_by_sns(bounce)) == 200
        assert await told(signed_by_sns(CONFIRMATION)) == 200
        assert asked == [CERTIFICATE, CONFIRMATION["SubscribeURL"]]
        figures = (await http.get("/metrics")).text
        assert 'firsthour_ingest_hooks_total{result="taken",sender="ses"} 1.0' in figures


async def is_ready(http: httpx.AsyncClient) -> bool:
    return (await http.get("/readyz")).status_code == 200
