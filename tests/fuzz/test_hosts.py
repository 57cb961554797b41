"""Addresses, ssh's config, known hosts and key files, however malformed (cases 5, 41 and 56)."""

from __future__ import annotations

import io

import paramiko
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from host_readers import (
    ADDRESSES,
    KNOWN_HOSTS,
    SSH_CONFIG,
    read_address,
    read_key,
    read_known_hosts,
    read_ssh_config,
)
from hypothesis import example, given
from hypothesis import strategies as st
from malformed import damaged, fuzz
from rig import Rig

_PIECES = (
    "user",
    "@",
    ":",
    "[",
    "]",
    "/",
    "%",
    "%25",
    "22",
    "::1",
    "a.local",
    ".",
    "-",
    " ",
    "://",
)
_LINES = (
    "Host *",
    "Host a",
    "Host !a b",
    "Match all",
    "Match host a",
    "Match exec x",
    "Match user",
    "Include more/*",
    "Include ~no/x",
    "ProxyJump a",
    "ProxyJump none",
    "ProxyCommand none",
    "ProxyCommand exec",
    "HostName %%h",
    'User "x',
    "Port 0",
    "CanonicalizeHostname yes",
    "=",
    "x",
    "IdentityFile ~nobody-here/x",
    "UserKnownHostsFile none",
)


@fuzz
@given(
    st.one_of(*(damaged(text) for text in ADDRESSES))
    | st.lists(st.sampled_from(_PIECES)).map(lambda pieces: "".join(pieces).encode())
)
def test_an_address_case_5(rig: Rig, data: bytes) -> None:
    read_address(rig, data)


@fuzz
@given(
    damaged(SSH_CONFIG) | st.lists(st.sampled_from(_LINES)).map(lambda ls: "\n".join(ls).encode())
)
def test_sshs_config_case_5(rig: Rig, data: bytes) -> None:
    read_ssh_config(rig, data)


@fuzz
@example(b"cam\x1cssh-ed25519 AAAA\n")
@given(damaged(KNOWN_HOSTS))
def test_known_hosts_case_41(rig: Rig, data: bytes) -> None:
    read_known_hosts(rig, data)


def private_keys() -> list[bytes]:
    made = ed25519.Ed25519PrivateKey.generate()
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    forms = (serialization.PrivateFormat.OpenSSH, serialization.PrivateFormat.PKCS8)
    rsa = io.StringIO()
    paramiko.RSAKey.generate(1024).write_private_key(rsa)
    return [*(made.private_bytes(pem, form, plain) for form in forms), rsa.getvalue().encode()]


@pytest.fixture(scope="module", params=range(3))
def good(request: pytest.FixtureRequest) -> bytes:
    keys = private_keys()
    index: int = request.param
    return keys[index]


@fuzz
@given(data=st.data())
def test_a_key_file_case_56(rig: Rig, good: bytes, data: st.DataObject) -> None:
    read_key(rig, data.draw(damaged(good)))
