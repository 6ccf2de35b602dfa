"""Which network addresses a webhook may be sent to. Judged is the address that is dialled, never a text.

`ipaddress.is_global` is not enough: it lets NAT64, 6to4, site-local, SRv6 and multicast pass.
"""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

Address = IPv4Address | IPv6Address

# What an operator may open for an endpoint with `allow_private: true`: this machine and its own network.
_OWN: Final = (
    IPv4Network("10.0.0.0/8"),
    IPv4Network("100.64.0.0/10"),  # carrier NAT; also what several clouds and VPNs use inside
    IPv4Network("127.0.0.0/8"),
    IPv4Network("172.16.0.0/12"),
    IPv4Network("192.168.0.0/16"),
    IPv6Network("::1/128"),
    IPv6Network("fc00::/7"),
)
# Never, whatever the configuration says: link-local holds the clouds' metadata services.
_NEVER: Final = (
    IPv4Network("0.0.0.0/8"),
    IPv4Network("169.254.0.0/16"),
    IPv4Network("192.0.0.0/24"),
    IPv4Network("192.0.2.0/24"),
    IPv4Network("192.88.99.0/24"),
    IPv4Network("198.18.0.0/15"),
    IPv4Network("198.51.100.0/24"),
    IPv4Network("203.0.113.0/24"),
    IPv4Network("224.0.0.0/4"),
    IPv4Network("240.0.0.0/4"),
    IPv6Network("2001::/23"),  # protocol assignments: Teredo, ORCHID, benchmarking
    IPv6Network("2001:db8::/32"),
    IPv6Network("2002::/16"),
    IPv6Network("3fff::/20"),
)
# In IPv6 only this is routed on the internet; all else (NAT64, site-local, SRv6, multicast, ...) is refused unnamed.
_ROUTED: Final = IPv6Network("2000::/3")


def refusal(address: str, *, allow_private: bool) -> str | None:
    """Why this resolved address must not be dialled, or None when it may be."""
    judged: Address = ip_address(address)
    if isinstance(judged, IPv6Address):
        if judged.scope_id is not None:
            return "a link-local address"
        judged = judged.ipv4_mapped or judged
    if any(judged.version == net.version and judged in net for net in _OWN):
        return None if allow_private else "an address of a private network"
    if isinstance(judged, IPv6Address) and judged not in _ROUTED:
        return "not a public address"
    if any(judged.version == net.version and judged in net for net in _NEVER):
        return "not a public address"
    return None


def first_refusal(addresses: Sequence[str], *, allow_private: bool) -> str | None:
    """Why a name must not be dialled: one bad address among its answers spoils them all (DNS rebinding)."""
    if not addresses:
        return "the name has no address"
    for address in addresses:
        reason = refusal(address, allow_private=allow_private)
        if reason is not None:
            return reason
    return None
