"""Which network addresses a webhook may be sent to. The address that is dialled is checked, never a name.

`ipaddress.is_global` is not enough: it lets NAT64, 6to4, site-local, SRv6 and multicast pass.
"""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

Address = IPv4Address | IPv6Address

# What `allow_private: true` opens for an endpoint: this machine and its own network.
_OWN: Final = (
    IPv4Network("10.0.0.0/8"),
    IPv4Network("100.64.0.0/10"),  # carrier-grade NAT; several clouds and VPNs use it internally
    IPv4Network("127.0.0.0/8"),
    IPv4Network("172.16.0.0/12"),
    IPv4Network("192.168.0.0/16"),
    IPv6Network("::1/128"),
    IPv6Network("fc00::/7"),
)
# Always refused: clouds' metadata services, which hand out credentials. Some are within what
# `allow_private` opens, and one looks like any address of the internet.
_METADATA: Final = (
    IPv4Network("169.254.0.0/16"),  # AWS, Google, Azure, DigitalOcean, Oracle, OpenStack …: link-local
    IPv4Network("100.100.100.200/32"),  # Alibaba
    IPv4Network("168.63.129.16/32"),  # Azure's platform
    IPv4Network("192.0.0.192/32"),  # Oracle
    IPv6Network("fd00:ec2::/32"),  # AWS
    IPv6Network("fd20:ce::254/128"),  # Google
    IPv6Network("fd00:42::42/128"),  # Scaleway
    IPv6Network("fd00:c1::a9fe:a9fe/128"),  # Oracle
)
# Always refused: link-local holds the clouds' metadata services.
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
# Where an IPv4 address stands in an IPv6 one, by octets; in all but the first form one octet is zero (RFC 6052, 2.2).
_EMBEDDED: Final = ((12, 13, 14, 15), (4, 5, 6, 7), (5, 6, 7, 9), (6, 7, 9, 10), (7, 9, 10, 11), (9, 10, 11, 12))
_ZERO: Final = 8
# The only IPv6 range routed on the internet; all else (NAT64, site-local, SRv6, multicast, ...) is refused.
_ROUTED: Final = IPv6Network("2000::/3")


def refusal(address: str, *, allow_private: bool) -> str | None:
    """Why this resolved address must not be dialled, or None when it may be."""
    judged: Address = ip_address(address)
    if isinstance(judged, IPv6Address):
        if judged.scope_id is not None:
            return "a link-local address"
        judged = judged.ipv4_mapped or judged
    if any(each in net for each in _meant(judged) for net in _METADATA if net.version == each.version):
        return "an address of a cloud's metadata service"
    if any(judged.version == net.version and judged in net for net in _OWN):
        return None if allow_private else "an address of a private network"
    if isinstance(judged, IPv6Address) and judged not in _ROUTED:
        return "not a public address"
    if any(judged.version == net.version and judged in net for net in _NEVER):
        return "not a public address"
    return None


def _meant(address: Address) -> list[Address]:
    """The address, and the IPv4 addresses that a gateway of the own network may read in it (NAT64, ISATAP).

    6to4 and Teredo are never dialled at all.
    """
    if isinstance(address, IPv4Address) or address in _ROUTED:
        return [address]
    octets = address.packed
    places = _EMBEDDED if octets[_ZERO] == 0 else _EMBEDDED[:1]
    return [address, *(IPv4Address(bytes(octets[place] for place in each)) for each in places)]


def first_refusal(addresses: Sequence[str], *, allow_private: bool) -> str | None:
    """Why a name must not be dialled: one forbidden address among its answers is enough (DNS rebinding)."""
    if not addresses:
        return "the name has no address"
    for address in addresses:
        reason = refusal(address, allow_private=allow_private)
        if reason is not None:
            return reason
    return None
