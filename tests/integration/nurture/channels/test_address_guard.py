import pytest

from services.nurture.channels.webhook.address_guard import first_refusal, refusal

NEVER = [
    "0.0.0.0", "169.254.169.254", "192.0.0.1", "192.0.2.1", "192.88.99.1", "198.18.0.1", "198.19.255.255",
    "198.51.100.7", "203.0.113.9", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255",
    "::", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::1", "100::1", "2001::1", "2001:2::1", "2001:db8::1",
    "2002:7f00:1::", "3fff::1", "5f00::1", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1", "ff0e::1",
    "::ffff:169.254.169.254", "::ffff:224.0.0.1", "::ffff:0:127.0.0.1",
]  # fmt: skip
OWN_NETWORK = [
    "10.0.0.1", "100.64.0.1", "100.127.255.255", "127.0.0.1", "127.1.2.3", "172.16.0.1", "172.31.255.255",
    "192.168.1.1", "::1", "fc00::1", "fd12:3456::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1",
]  # fmt: skip
PUBLIC = ["1.1.1.1", "8.8.8.8", "100.63.255.255", "172.15.0.1", "172.32.0.1", "2606:4700::1111", "::ffff:8.8.8.8"]


@pytest.mark.parametrize("address", NEVER)
@pytest.mark.parametrize("allow_private", [False, True])
def test_no_setting_opens_these(address: str, allow_private: bool) -> None:
    assert refusal(address, allow_private=allow_private)


@pytest.mark.parametrize("address", OWN_NETWORK)
def test_the_own_network_only_when_allowed(address: str) -> None:
    assert refusal(address, allow_private=False)
    assert refusal(address, allow_private=True) is None


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_pass(address: str) -> None:
    assert refusal(address, allow_private=False) is None


def test_one_bad_address_spoils_the_name() -> None:
    assert first_refusal(["1.1.1.1", "127.0.0.1"], allow_private=False)
    assert first_refusal([], allow_private=True)
    assert first_refusal(["1.1.1.1", "8.8.8.8"], allow_private=False) is None


METADATA = ("169.254.169.254", "169.254.170.2", "100.100.100.200", "168.63.129.16", "192.0.0.192")


@pytest.mark.parametrize("allow_private", [False, True])
@pytest.mark.parametrize(
    "address",
    [
        *METADATA, "fd00:ec2::254", "fd00:ec2::23", "fd20:ce::254", "fd00:42::42", "fd00:c1::a9fe:a9fe",
        *(f"{gateway}{each}" for each in METADATA for gateway in ("::ffff:", "64:ff9b::", "64:ff9b:1::", "::", "fd00:9b::",
                                                                 "fd00::5efe:")),
        # As a gateway of the own network with another prefix reads it (RFC 6052): /32, /40, /48, /56, /64.
        *("fd00:64:a9fe:a9fe::", "fd00:64:9ba9:fea9:fe::", "fd00:64:9b:a9fe:a9:fe00::", "fd00:64:9b:a9:fe:a9fe::"),
        "fd00:64:9b::a9:fea9:fe00:0",
        *("2002:a9fe:a9fe::1", "2002:6464:64c8::1", "2001:0:a9fe:a9fe::1"),
    ],
)  # fmt: skip
def test_nothing_opens_a_cloud_s_metadata(address: str, allow_private: bool) -> None:
    assert refusal(address, allow_private=allow_private)
