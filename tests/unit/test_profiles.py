"""Several cameras in one file, and secrets kept out of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keyring
import pytest
from keyring.errors import KeyringLocked
from planted import lawful, secret
from typer.main import get_command
from typer.testing import CliRunner

from recam_deploy.cli.main import app
from recam_deploy.errors import SettingsError
from recam_deploy.settings import load_settings
from recam_deploy.settings.keyring import stored_password

SECRET = secret("a password in the settings or the keyring")
EVERYONES = secret("a password for all cameras")
PORCHS = secret("the password of one camera")
NODE_REDS = secret("the password of one camera's Node-RED")
TOKEN = secret("the token of one camera's Node-RED")
TWO = """
[camera]
user = "shared"
port = 2222

[camera.porch]
host = "10.0.0.1"

[camera.shed]
host = "10.0.0.2"
user = "own"
"""


def write(folder: Path, text: str, mode: int = 0o644) -> dict[str, str]:
    path = lawful(folder / "my.toml")
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return {"RECAM_SETTINGS": str(path)}


def test_a_camera_has_its_own_settings_over_those_that_all_share(tmp_path: Path) -> None:
    environment = write(tmp_path, TWO)
    porch = load_settings(environment, "porch").camera
    assert (porch.host, porch.user, porch.port) == ("10.0.0.1", "shared", 2222)
    shed = load_settings(environment | {"RECAM_CAMERA": "shed"}).camera
    assert (shed.host, shed.user, shed.port) == ("10.0.0.2", "own", 2222)
    assert load_settings(environment).camera.host is None


def test_the_flag_goes_over_an_environment_that_means_another_camera(tmp_path: Path) -> None:
    environment = write(tmp_path, TWO) | {
        "RECAM_CAMERA": "shed",
        "RECAM_HOST": "elsewhere",
        "RECAM_PORT": "22",
        "RECAM_PASSWORD": SECRET,
    }
    porch = load_settings(environment, "porch").camera
    assert (porch.host, porch.port) == ("10.0.0.1", 22)
    assert porch.password is not None
    assert load_settings(environment).camera.host == "elsewhere"


@pytest.mark.parametrize(("given", "nearest"), [("prch", "porch"), ("Shed", "shed")])
def test_an_unknown_camera_names_the_nearest_one(tmp_path: Path, given: str, nearest: str) -> None:
    with pytest.raises(SettingsError, match="there is no camera") as caught:
        load_settings(write(tmp_path, TWO), given)
    assert f"`{nearest}`" in caught.value.hint


def test_where_no_camera_is_named_the_hint_tells_how_to_name_one(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(write(tmp_path, "[convert]\nimages = 3\n"), "porch")
    assert "[camera.porch]" in caught.value.hint


@pytest.mark.parametrize(
    ("text", "words", "nearest"),
    [
        ('[camera.porch]\nhots = "x"\n', "camera.porch.hots", "camera.porch.host"),
        ("[camera.porch.user]\na = 1\n", "camera.porch.user", ""),
        ("[camera.porch]\nport = 0\n", "camera.porch.port", ""),
        ("[camera.host]\na = 1\n", "camera.host", ""),
    ],
)
def test_mistakes_in_any_camera_are_found_whichever_is_used(
    tmp_path: Path, text: str, words: str, nearest: str
) -> None:
    with pytest.raises(SettingsError, match=words) as caught:
        load_settings(write(tmp_path, text))
    assert nearest in caught.value.hint


@pytest.mark.parametrize("table", ["camera", "camera.porch"])
@pytest.mark.parametrize("key", ["password", "node_red_password", "node_red_token"])
def test_a_secret_in_the_file_is_refused_unless_it_is_meant_and_private(
    tmp_path: Path, table: str, key: str
) -> None:
    text = f'[{table}]\n{key} = "{SECRET}"\n'
    with pytest.raises(SettingsError, match="should not hold") as caught:
        load_settings(write(tmp_path, text, 0o600))
    assert SECRET not in caught.value.message + caught.value.hint
    insisted = "secrets_in_file = true\n" + text
    for mode in (0o640, 0o604, 0o622):
        with pytest.raises(SettingsError, match="others can read") as caught:
            load_settings(write(tmp_path, insisted, mode))
        assert "chmod 600" in caught.value.hint
    settings = load_settings(write(tmp_path, insisted, 0o600), "porch" if "." in table else None)
    assert getattr(settings.camera, key).get_secret_value() == SECRET
    assert SECRET not in repr(settings)


def secrets_of(environment: dict[str, str], camera: str | None) -> list[str | None]:
    found = load_settings(environment, camera).camera
    secrets = (found.password, found.node_red_password, found.node_red_token)
    return [secret.get_secret_value() if secret else None for secret in secrets]


@pytest.mark.parametrize("node_red", ["NODE_RED", "NODERED"])
def test_a_camera_has_secrets_of_its_own_in_the_environment(tmp_path: Path, node_red: str) -> None:
    environment = write(tmp_path, TWO) | {
        "RECAM_PASSWORD": EVERYONES,
        "RECAM_PASSWORD_PORCH": PORCHS,
        "RECAM_PASSWORD_SHED": "",
        f"RECAM_{node_red}_PASSWORD_PORCH": NODE_REDS,
        f"RECAM_{node_red}_TOKEN_PORCH": TOKEN,
    }
    porchs = [PORCHS, NODE_REDS, TOKEN]
    assert secrets_of(environment, "porch") == porchs
    assert secrets_of(environment | {"RECAM_CAMERA": "porch"}, None) == porchs
    assert secrets_of(environment, "shed") == [EVERYONES, None, None]
    assert secrets_of(environment, None) == [EVERYONES, None, None]


def test_its_own_password_goes_over_the_files(tmp_path: Path) -> None:
    text = f'secrets_in_file = true\n[camera.front-door]\npassword = "{SECRET}"\n'
    environment = write(tmp_path, text, 0o600) | {"RECAM_PASSWORD": EVERYONES}
    assert secrets_of(environment, "front-door")[0] == SECRET
    environment["RECAM_PASSWORD_FRONT_DOOR"] = PORCHS
    assert secrets_of(environment, "front-door")[0] == PORCHS


def test_a_password_that_two_cameras_would_get_is_refused(tmp_path: Path) -> None:
    environment = write(tmp_path, "[camera.front-door]\n[camera.front_door]\n")
    assert secrets_of(environment, "front-door")[0] is None
    environment["RECAM_PASSWORD_FRONT_DOOR"] = SECRET
    with pytest.raises(SettingsError, match="'front-door' and for 'front_door'") as caught:
        load_settings(environment, "front-door")
    assert SECRET not in caught.value.message + caught.value.hint


def test_a_password_comes_from_the_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = {("recam", "recamera@porch"): SECRET}
    monkeypatch.setattr(keyring, "get_password", lambda *name: kept.get(name))
    found = stored_password("recamera", "porch")
    assert found is not None
    assert found.get_secret_value() == SECRET
    assert stored_password("recamera", "shed") is None


def test_a_locked_keyring_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def locked(*_: str) -> None:
        raise KeyringLocked(SECRET)

    monkeypatch.setattr(keyring, "get_password", locked)
    with pytest.raises(SettingsError, match="KeyringLocked") as caught:
        stored_password("recamera", "porch")
    assert "RECAM_PASSWORD" in caught.value.hint
    assert SECRET not in caught.value.message


def commands(group: Any, name: str) -> dict[str, Any]:
    """Every command below a group, by its words."""
    group = group.entry.load() if hasattr(group, "entry") else group
    if not hasattr(group, "commands"):
        return {name: group}
    inner = (commands(command, f"{name} {word}") for word, command in group.commands.items())
    return {words: command for found in inner for words, command in found.items()}


def test_every_command_that_takes_a_host_takes_a_camera(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flags = {
        name: {flag for parameter in command.params for flag in parameter.opts}
        for name, command in commands(get_command(app), "recam").items()
    }
    with_host = {name for name, found in flags.items() if "--host" in found}
    assert {"recam up", "recam watch", "recam flow push"} <= with_host
    assert {name for name in with_host if "--camera" not in flags[name]} == set()
    for name, value in write(tmp_path, TWO).items():
        monkeypatch.setenv(name, value)
    done = CliRunner().invoke(app, ["flow", "show", "--camera", "prch"])
    assert done.exit_code == 1
    assert "porch" in done.output
