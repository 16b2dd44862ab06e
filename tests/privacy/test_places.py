"""E-mail and IP addresses, against the standard library's rules."""

from __future__ import annotations

import ipaddress

from hypothesis import given, settings
from hypothesis import strategies as st

from synalign.privacy import redact


@settings(max_examples=100)
@given(st.ip_addresses(v=4))
def test_any_address_that_can_be_reached_from_outside_is_found(address):
    text = f"host {address} down"
    octets = address.packed
    expected = (
        max(octets) >= 26
        and octets[0] not in (0, 255)
        and not (address.is_loopback or address.is_multicast or address.is_reserved)
        and not (address.is_private and octets[3] in (0, 1, 254, 255))
    )
    assert (redact(text, ("ip",), ()) == "host [IP] down") == expected


@settings(max_examples=100)
@given(st.integers(0, 2**125 - 1))
def test_any_global_address_of_version_6_is_found(number):
    address = ipaddress.IPv6Address((1 << 125) + number)
    assert redact(f"host {address} down", ("ip",), ()) == "host [IP] down"


@settings(max_examples=100)
@given(st.emails(domains=st.sampled_from(["example.org", "mail.example.co.uk", "xn--exmple-cua.de"])))
def test_any_usual_address_is_found(address):
    local = address.partition("@")[0]
    if local.strip(".'`") not in ("", "git"):
        assert "@" not in redact(f"to {address} now", ("email",), ())
