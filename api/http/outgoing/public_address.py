"""Which addresses are public: IANA's registries of special-purpose addresses, as of 2025.

Python's `is_global` follows them too, but each version another state of them.
"""

from ipaddress import IPv4Network, IPv6Network, ip_address

#: All that is neither private, local, shared, reserved, for documentation nor for many receivers at once.
_SPECIAL_V4 = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8",
            "10.0.0.0/8",
            "100.64.0.0/10",
            "127.0.0.0/8",
            "169.254.0.0/16",
            "172.16.0.0/12",
            "192.0.0.0/24",
            "192.0.2.0/24",
            "192.88.99.0/24",
            "192.168.0.0/16",
            "198.18.0.0/15",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "224.0.0.0/4",
            "240.0.0.0/4",
        ),
    )
)
#: What is given out for single receivers. NAT64 (64:ff9b::/96 and 64:ff9b:1::/48), SIIT (::ffff:0:0:0/96) and
#: IPv4-compatible addresses, which lead to any IPv4 address, lie outside.
_UNICAST_V6 = IPv6Network("2000::/3")
#: Parts of it for protocols (Teredo, ORCHID), for documentation, and 6to4, which leads to any IPv4 address.
_SPECIAL_V6 = tuple(map(IPv6Network, ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")))


def is_public(address: str) -> bool:
    """Whether this IP address is public. IPv4-mapped IPv6 addresses are checked as IPv4."""
    ip = ip_address(address)
    if ip.version == 6:
        if ip.ipv4_mapped is None:
            return ip in _UNICAST_V6 and not any(ip in special for special in _SPECIAL_V6)
        ip = ip.ipv4_mapped
    return not any(ip in special for special in _SPECIAL_V4)
