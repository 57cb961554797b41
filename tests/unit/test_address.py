"""Addresses as people write them (case 5)."""

from __future__ import annotations

import pytest
from planted import secret

from recam_deploy.address import Address, for_url, host_and_port, parse_address
from recam_deploy.errors import SettingsError


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("192.168.42.1", Address("192.168.42.1")),
        (" 192.168.42.1\n", Address("192.168.42.1")),
        ("\u200b192.168.42.1\u00a0", Address("192.168.42.1")),
        ("recamera@192.168.42.1", Address("192.168.42.1", "recamera")),
        ("192.168.42.1:2222", Address("192.168.42.1", None, 2222)),
        ("me@cam:2222", Address("cam", "me", 2222)),
        ("cam:", Address("cam")),
        ("192.168.42.1/", Address("192.168.42.1")),
        ("192.168.42.1/#/security", Address("192.168.42.1")),
        ("http://192.168.42.1", Address("192.168.42.1")),
        ("HTTPS://cam:8443/a?b#c", Address("cam", other_port=8443)),
        ("ws://cam:8090/", Address("cam", other_port=8090)),
        ("mqtt://cam", Address("cam")),
        ("ssh://me@cam:2222", Address("cam", "me", 2222)),
        ("SSH://cam", Address("cam")),
        ("sftp://me@[::1]:22/home", Address("::1", "me", 22)),
        ("::1", Address("::1")),
        ("[::1]", Address("::1")),
        ("[FE80::1%usb0]:22", Address("fe80::1%usb0", None, 22)),
        ("fe80::1%usb0", Address("fe80::1%usb0")),
        ("[192.168.42.1]:2222", Address("192.168.42.1", None, 2222)),
        ("me@fe80::1%usb0", Address("fe80::1%usb0", "me")),
        ("http://[fe80::1%25usb0]/", Address("fe80::1%usb0")),
        ("ReCamera.local.", Address("ReCamera.local")),
        ("kamera-küche.local", Address("kamera-küche.local")),
        ("my_cam", Address("my_cam")),
        ("", Address("")),
    ],
)
def test_what_is_meant_is_understood_case_5(text: str, address: Address) -> None:
    assert parse_address(text) == address


@pytest.mark.parametrize(
    "text",
    [
        "a b", "-oProxyCommand=x", "cam:0", "cam:65536", "cam:ssh", "fe80::1%usb0:22", "[::1",
        "::1]", "[::1]x", "192.168.42", "192.168.42.300", "10.0.0.0/24", "ftp://cam", "@cam", "me@",
        "http://", "a..b", "a.b..", "x" * 64, "x" * 2000, "cam\0", "ssh://a%40b@cam", "cam;id",
        "$(id)", "1:2:3",
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused_in_words_case_5(text: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse_address(text)
    assert caught.value.hint
    assert len(caught.value.message) < 200


@pytest.mark.parametrize("form", ["me:{}@cam", "ssh://me:{}@cam:22", "http://me:{}@cam/x@y"])
def test_a_password_in_the_text_is_refused_and_not_shown_case_5(form: str) -> None:
    password = secret("a password in an address")
    with pytest.raises(SettingsError, match="password") as caught:
        parse_address(form.format(password))
    assert password not in caught.value.message + caught.value.hint


def test_addresses_are_written_as_they_are_read() -> None:
    assert for_url("fe80::1%usb0") == "[fe80::1]"
    assert for_url("cam") == "cam"
    assert [host_and_port("::1", 22), host_and_port("::1", 9)] == ["::1", "[::1]:9"]
    assert host_and_port("cam", 2222) == "cam:2222"
