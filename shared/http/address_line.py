"""The unit by which limits count whoever comes from the network."""

from ipaddress import IPv4Address, IPv6Address, IPv6Network
from typing import Final

_OF_ONE: Final = 64  # prefix length that a provider gives to one customer


def line_of(address: IPv4Address | IPv6Address) -> str:
    """An IPv4 address, also as IPv6 writes it, or the /64 of an IPv6 one, which is what one line gets."""
    if isinstance(address, IPv4Address):
        return str(address)
    return str(address.ipv4_mapped or IPv6Network((int(address), _OF_ONE), strict=False))
