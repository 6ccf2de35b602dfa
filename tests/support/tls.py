"""A TLS proxy before a port of this machine, with a certificate of a CA of its own: what stands before ingest."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.support.servers import apart, listening


@dataclass
class TlsProxy:
    """Where it listens, the file of the CA that made its certificate, and the port it stands before."""

    port: int
    ca: Path
    before: int = 0


def certificate(folder: Path, *, ends_in: timedelta) -> tuple[Path, Path]:
    """A certificate with its key for 127.0.0.1, and the CA's: two files."""
    now = datetime.now(UTC)
    ca_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "CA of a test")])
    around = (now - timedelta(days=400), now + timedelta(days=400))
    usage = {"key_cert_sign": True, "crl_sign": True, "digital_signature": True, "content_commitment": False,
             "key_encipherment": False, "data_encipherment": False, "key_agreement": False, "encipher_only": False,
             "decipher_only": False}  # fmt: skip
    ca = (
        _built(ca_name, ca_name, ca_key.public_key(), around)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(**usage), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key()), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ingest of a test")])
    ends = now + ends_in
    its = (
        _built(name, ca_name, key.public_key(), (min(now, ends) - timedelta(days=1), ends))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (own := folder / "proxy.pem").write_bytes(its.public_bytes(pem) + secret)
    (ca_file := folder / "ca.pem").write_bytes(ca.public_bytes(pem))
    return own, ca_file


def _built(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, valid: tuple[datetime, datetime]
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(valid[0])
        .not_valid_after(valid[1])
    )


@contextmanager
def tls_proxy(folder: Path, *, ends_in: timedelta) -> Iterator[TlsProxy]:
    """The proxy, in a thread of its own; whom it stands before is said later."""
    own, ca = certificate(folder, ends_in=ends_in)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own)

    @asynccontextmanager
    async def proxy() -> AsyncIterator[TlsProxy]:
        standing = TlsProxy(0, ca)

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with suppress(OSError), closing(writer):
                behind, to_it = await asyncio.open_connection("127.0.0.1", standing.before)
                with closing(to_it):
                    await asyncio.gather(_piped(reader, to_it), _piped(behind, writer))

        async with listening(serve, tls=context) as standing.port:
            yield standing

    with apart(proxy) as running:
        yield running


async def _piped(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.close()
