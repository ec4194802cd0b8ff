"""Which IP addresses are somebody's public server, and which lead inside.

The rule is written out from the IANA special-purpose registries, since `ipaddress.is_global` calls the metadata
service of a cloud, NAT64 and 6to4 forms of private addresses, site-local and multicast addresses global.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

IPAddress = IPv4Address | IPv6Address

_CLOSED_V4 = tuple(
    (IPv4Network(network), what)
    for network, what in (
        ("0.0.0.0/8", "unspecified"),
        ("10.0.0.0/8", "private"),
        ("100.64.0.0/10", "a carrier's shared space"),
        ("127.0.0.0/8", "loopback"),
        ("168.63.129.16/32", "a cloud's own service"),
        ("169.254.0.0/16", "link-local"),
        ("172.16.0.0/12", "private"),
        ("192.0.0.0/24", "reserved for protocols"),
        ("192.0.2.0/24", "for documentation"),
        ("192.31.196.0/24", "reserved for protocols"),
        ("192.52.193.0/24", "reserved for protocols"),
        ("192.88.99.0/24", "a 6to4 relay"),
        ("192.168.0.0/16", "private"),
        ("192.175.48.0/24", "reserved for protocols"),
        ("198.18.0.0/15", "for benchmarks"),
        ("198.51.100.0/24", "for documentation"),
        ("203.0.113.0/24", "for documentation"),
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", "reserved"),
    )
)
_OPEN_V6 = IPv6Network("2000::/3")
_CLOSED_V6 = tuple(
    (IPv6Network(network), what)
    for network, what in (
        ("2001::/23", "reserved for protocols"),
        ("2001:db8::/32", "for documentation"),
        ("2002::/16", "a 6to4 address"),
        ("2620:4f:8000::/48", "reserved for protocols"),
        ("3fff::/20", "for documentation"),
    )
)
_NAT64 = IPv6Network("64:ff9b::/96")


def refusal_of(address: IPAddress) -> str | None:
    """What kind of inside address `address` is, or None when it is a public server's.

    An IPv4 address inside an IPv6 one (mapped, or NAT64 as networks without IPv4 use it) is judged as itself.
    """
    if isinstance(address, IPv4Address):
        return next((what for network, what in _CLOSED_V4 if address in network), None)
    if address.ipv4_mapped is not None:
        return refusal_of(address.ipv4_mapped)
    if address in _NAT64:
        return refusal_of(IPv4Address(int(address) & 0xFFFFFFFF))
    if address not in _OPEN_V6:
        return "not in the public space"
    return next((what for network, what in _CLOSED_V6 if address in network), None)
