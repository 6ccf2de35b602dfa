"""The client's address and scheme: forwarding headers are believed only from proxies that the settings trust."""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any, Final

from shared.http.address_line import line_of

Network = IPv4Network | IPv6Network
_UNKNOWN: Final = ""
# As proxies write an address: with a port, in brackets (RFC 7239), in quotes.
_WRITTEN: Final = re.compile(r'"?(?:\[([0-9a-f:.]+)(?:%[^\]]*)?\]|(\d+\.\d+\.\d+\.\d+))(?::\d{1,5})?"?', re.IGNORECASE)
_LONGEST: Final = 60


@lru_cache(maxsize=10_000)
def sender(address: str) -> str | None:
    """The unit that limits count: an IPv4 address, or the /64 of an IPv6 one, which is what one line gets.

    None for a private address: it is our own server, or an unconfigured proxy, whose visitors would all count as one.
    """
    parsed = _parsed(address)
    if parsed is None or not parsed.is_global:
        return None
    return line_of(parsed)


def _parsed(text: str) -> IPv4Address | IPv6Address | None:
    """The parsed address, in any notation; an IPv4-mapped IPv6 address as IPv4."""
    written = _WRITTEN.fullmatch(text.strip()[:_LONGEST])
    try:
        found = ip_address((written[1] or written[2]) if written else text.strip()[:_LONGEST])
    except ValueError:
        return None
    return (found.ipv4_mapped or found) if isinstance(found, IPv6Address) else found


class Proxies:
    """The networks whose X-Forwarded-For and X-Forwarded-Proto are believed."""

    def __init__(self, trusted: Sequence[Network]) -> None:
        """Empty: no headers are believed, and the client is the peer."""
        self._trusted = tuple(trusted)

    def client(self, scope: Mapping[str, Any], headers: Mapping[bytes, bytes]) -> str:
        """The client's address: the last one of X-Forwarded-For that is no trusted proxy."""
        peer = _peer(scope)
        if not self._trusted or not self._trusts(peer):
            return peer
        for each in reversed(headers.get(b"x-forwarded-for", b"").decode("latin-1").split(",")):
            if not each.strip():
                continue
            address = _parsed(each)
            if address is None:
                return peer
            peer = str(address)
            if not self._trusts(peer):
                return peer
        return peer

    def scheme(self, scope: Mapping[str, Any], headers: Mapping[bytes, bytes]) -> str:
        """`http` or `https`, as the client wrote it: a proxy may have ended TLS before us."""
        told = headers.get(b"x-forwarded-proto", b"").decode("latin-1").partition(",")[0].strip().lower()
        if told in ("http", "https") and self._trusts(_peer(scope)):
            return told
        return str(scope.get("scheme", "http"))

    def _trusts(self, address: str) -> bool:
        parsed = _parsed(address)
        return parsed is not None and any(parsed in network for network in self._trusted)


def _peer(scope: Mapping[str, Any]) -> str:
    client = scope.get("client")
    return str(client[0]) if client else _UNKNOWN
