"""A host's text in flags, environment and recam.toml: whose user and port count (case 5)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from recam_deploy.errors import SettingsError
from recam_deploy.settings import CameraSettings, load_settings

Load = Callable[..., CameraSettings]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    def load(
        toml: str = "",
        environment: dict[str, str] | None = None,
        name: str | None = None,
        **flags: Any,
    ) -> CameraSettings:
        path = tmp_path / "recam.toml"
        path.write_text(toml)
        loaded = load_settings({"RECAM_SETTINGS": str(path), **(environment or {})}, name)
        return loaded.with_flags(camera=flags).camera

    return load


def who(camera: CameraSettings) -> tuple[str | None, str, int]:
    return camera.host, camera.user, camera.port


def test_every_source_may_write_it_in_one_case_5(load: Load) -> None:
    expected = ("cam", "me", 2222)
    assert who(load(host="me@cam:2222")) == expected
    assert who(load(environment={"RECAM_HOST": "me@cam:2222"})) == expected
    assert who(load('[camera]\nhost = "me@cam:2222"')) == expected
    assert who(load('[camera.porch]\nhost = "me@cam:2222"', name="porch")) == expected
    assert who(CameraSettings(host="me@cam:2222")) == expected


def test_a_contradiction_in_one_source_is_refused_with_both_case_5(load: Load) -> None:
    with pytest.raises(SettingsError, match="--host names the user me, and --user is you"):
        load(host="me@cam", user="you")
    with pytest.raises(SettingsError, match="--host names the port 2222, and --port is 22"):
        load(host="cam:2222", port=22)
    with pytest.raises(SettingsError, match=r"RECAM_HOST names the user me, and RECAM_USER is you"):
        load(environment={"RECAM_HOST": "me@cam", "RECAM_USER": "you"})
    with pytest.raises(SettingsError, match=r"camera\.porch\.host.*camera\.porch\.port is 1"):
        load('[camera.porch]\nhost = "cam:2"\nport = 1', name="porch")


def test_the_same_said_twice_is_no_contradiction_case_5(load: Load) -> None:
    assert who(load(host="me@cam:2222", user="me", port=2222)) == ("cam", "me", 2222)


def test_a_stronger_source_overrides_a_weaker_ones_text_case_5(load: Load) -> None:
    file = '[camera]\nhost = "me@cam:2222"'
    assert who(load(file, user="you", port=22)) == ("cam", "you", 22)
    assert who(load(file, {"RECAM_USER": "you"})) == ("cam", "you", 2222)
    assert who(load('[camera]\nuser = "me"\nport = 1', host="you@cam:2")) == ("cam", "you", 2)


def test_another_host_brings_its_own_user_and_port_case_5(load: Load) -> None:
    file = '[camera]\nhost = "me@cam:2222"'
    assert who(load(file, host="other")) == ("other", "recamera", 22)
    assert who(load(file, {"RECAM_HOST": "other:3"})) == ("other", "recamera", 3)
    assert who(load(file + '\n[camera.a]\nhost = "other"', name="a")) == ("other", "recamera", 22)


def test_a_named_camera_is_not_mixed_with_the_environments_case_5(load: Load) -> None:
    file = '[camera.porch]\nhost = "me@cam:2222"'
    environment = {"RECAM_HOST": "you@other:3", "RECAM_USER": "you"}
    assert who(load(file, {"RECAM_USER": "you"}, name="porch")) == ("cam", "me", 2222)
    with pytest.raises(SettingsError, match="RECAM_HOST"):
        load(environment={**environment, "RECAM_USER": "we"})


def test_a_web_pages_port_is_not_sshs_case_5(load: Load) -> None:
    assert who(load(host="http://cam:1880/")) == ("cam", "recamera", 22)
    assert load("[camera]\nhttp_port = 8080", host="https://cam:8080/x").port == 22
    with pytest.raises(SettingsError, match="port 8080, which is none of the camera's"):
        load(host="http://cam:8080")


def test_where_a_wrong_host_comes_from_is_said_case_5(load: Load) -> None:
    with pytest.raises(SettingsError, match="RECAM_HOST: 'a b'"):
        load(environment={"RECAM_HOST": "a b"})
    with pytest.raises(SettingsError, match=r"camera\.host: 'a b'"):
        load('[camera]\nhost = "a b"')


def test_what_the_text_said_cannot_be_set_by_a_file(load: Load) -> None:
    with pytest.raises(SettingsError, match="unknown setting"):
        load('[camera]\n_address = "x"')


def test_urls_of_an_ipv6_camera_can_be_opened(load: Load) -> None:
    camera = load(host="fe80::1%usb0")
    assert camera.editor == "http://[fe80::1]:1880"
    assert camera.web_page == "http://[fe80::1]"


@pytest.mark.parametrize("field", [{"node_red_ca": "a.pem"}, {"node_red_fingerprint": "ab" * 32}])
def test_case_26_plain_http_beside_a_certificate_is_refused(field: dict[str, str]) -> None:
    settings = load_settings({})
    with pytest.raises(SettingsError, match="needs TLS"):
        settings.with_flags(camera={"node_red_https": False, **field})
    assert settings.with_flags(camera={"node_red_https": True, **field}).camera.node_red_tls


def test_case_5_a_url_without_a_port_is_no_wrong_port() -> None:
    for url in ("http://cam", "https://cam/", "mqtt://cam"):
        flags = {"host": url, "http_port": 8080, "mqtt_port": 2}
        assert load_settings({}).with_flags(camera=flags).camera.host == "cam"
