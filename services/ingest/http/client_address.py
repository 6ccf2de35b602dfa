"""Whose request it is, and how it came: proxies tell, but only those that the settings trust are believed."""

from collections.abc import Mapping, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Any, Final

Network = IPv4Network | IPv6Network
_UNKNOWN: Final = ""


class Proxies:
    """The networks whose X-Forwarded-For and X-Forwarded-Proto are believed."""

    def __init__(self, trusted: Sequence[Network]) -> None:
        """Empty: nobody's word is taken, and the client is who is connected."""
        self._trusted = tuple(trusted)

    def client(self, scope: Mapping[str, Any], headers: Mapping[bytes, bytes]) -> str:
        """The client's address: of X-Forwarded-For the last one that no trusted proxy has."""
        peer = _peer(scope)
        if not self._trusted or not self._trusts(peer):
            return peer
        for each in reversed(headers.get(b"x-forwarded-for", b"").decode("latin-1").split(",")):
            address = each.strip()
            if not address:
                continue
            if not self._trusts(address):
                return address if _is_address(address) else peer
            peer = address
        return peer

    def scheme(self, scope: Mapping[str, Any], headers: Mapping[bytes, bytes]) -> str:
        """`http` or `https`, as the client wrote it: a proxy may have ended TLS before us."""
        told = headers.get(b"x-forwarded-proto", b"").decode("latin-1").partition(",")[0].strip().lower()
        if told in ("http", "https") and self._trusts(_peer(scope)):
            return told
        return str(scope.get("scheme", "http"))

    def _trusts(self, address: str) -> bool:
        try:
            parsed = ip_address(address)
        except ValueError:
            return False
        return any(parsed in network for network in self._trusted)


def _peer(scope: Mapping[str, Any]) -> str:
    client = scope.get("client")
    return str(client[0]) if client else _UNKNOWN


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
