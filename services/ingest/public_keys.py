"""What a public key proves. Loaded with the first signature: the library costs 10 MB, which few sources need."""

import re
from datetime import datetime
from typing import Final, TypeAlias

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key
from cryptography.x509.oid import NameOID

from services.ingest.domain.hooks.hook import Signed, Unverified

Key: TypeAlias = rsa.RSAPublicKey | ec.EllipticCurvePublicKey
_OF_AMAZON: Final = re.compile(r"sns(\.[a-z0-9-]+)?\.amazonaws\.com(\.cn)?")


def check(signed: Signed, key: Key) -> None:
    """Raises Unverified unless the owner of the key has signed this."""
    try:
        if isinstance(key, rsa.RSAPublicKey) and signed.scheme != "ecdsa-sha256":
            digest = SHA1() if signed.scheme == "rsa-sha1" else SHA256()  # noqa: S303 - SNS' own first version
            key.verify(signed.signature, signed.text, padding.PKCS1v15(), digest)
        elif isinstance(key, ec.EllipticCurvePublicKey) and signed.scheme == "ecdsa-sha256":
            key.verify(signed.signature, signed.text, ec.ECDSA(SHA256()))
        else:
            raise Unverified("the key is of another kind than the signature")
    except InvalidSignature:
        raise Unverified("the signature is wrong") from None


def written(der: bytes) -> Key:
    """The key that these bytes are. Raises Unverified."""
    try:
        return _known(load_der_public_key(der))
    except (ValueError, UnsupportedAlgorithm):
        raise Unverified("the key cannot be read") from None


def certified(pem: bytes, now: datetime) -> tuple[Key, datetime]:
    """The key of SNS' certificate, and when that ends. Raises Unverified."""
    try:
        found = x509.load_pem_x509_certificate(pem)
        key = found.public_key()
        names = [str(each.value) for each in found.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    except (ValueError, UnsupportedAlgorithm):
        raise Unverified("what SigningCertURL names is no certificate") from None
    if not any(_OF_AMAZON.fullmatch(name) for name in names):
        raise Unverified("the certificate is not SNS' own")
    if not found.not_valid_before_utc <= now <= found.not_valid_after_utc:
        raise Unverified("the certificate is not valid now")
    return _known(key), found.not_valid_after_utc


def _known(key: object) -> Key:
    if not isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
        raise Unverified("the key is of a kind that no sender uses")
    return key
