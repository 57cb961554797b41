"""Flags over environment over the file over defaults; mistakes are named, secrets are not."""

from __future__ import annotations

from pathlib import Path

import pytest
from planted import lawful, secret

from recam_deploy.errors import SettingsError
from recam_deploy.settings import load_settings

SECRET = secret("a password in the settings")


def write(folder: Path, text: str) -> dict[str, str]:
    path = folder / "my.toml"
    path.write_text(text, encoding="utf-8")
    return {"RECAM_SETTINGS": str(path)}


def test_each_layer_covers_the_one_below(tmp_path: Path) -> None:
    environment = write(tmp_path, '[camera]\nhost = "file"\nuser = "file"\nport = 1\n')
    environment |= {"RECAM_HOST": "environment", "RECAM_PORT": "2"}
    settings = load_settings(environment)
    camera = settings.with_flags(camera={"port": 3, "host": None}).camera
    assert (camera.user, camera.host, camera.port) == ("file", "environment", 3)
    assert str(camera.models) == "/userdata/Models"


def test_the_working_folders_file_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "recam.toml").write_text('[camera]\nhost = "here"\n')
    assert load_settings({}).camera.host == "here"
    assert load_settings({}).file == tmp_path / "recam.toml"


def test_an_empty_variable_counts_as_unset() -> None:
    assert load_settings({"RECAM_HOST": ""}).camera.host is None


def test_the_cache_folder_comes_from_the_environment() -> None:
    assert load_settings({"RECAM_CACHE_DIR": "/somewhere"}).cache_dir == Path("/somewhere")


def test_an_unknown_key_is_named_by_the_table_that_has_it(tmp_path: Path) -> None:
    text = '[camera]\nhots = "x"\n[camera.porch]\nhost = "y"\n'
    with pytest.raises(SettingsError, match=r"unknown setting `camera\.hots`"):
        load_settings(write(tmp_path, text))


def test_a_value_from_the_environment_is_named_by_its_variable() -> None:
    with pytest.raises(SettingsError, match="RECAM_PORT"):
        load_settings({"RECAM_PORT": "many"})
    with pytest.raises(SettingsError, match="RECAM_NODERED_PORT"):
        load_settings({"RECAM_NODERED_PORT": "many"})


def test_a_wrong_value_is_mended_where_it_is(tmp_path: Path) -> None:
    environment = write(tmp_path, '[convert]\nimages = "many"\n')
    with pytest.raises(SettingsError) as caught:
        load_settings(environment)
    assert "environment" not in caught.value.hint
    with pytest.raises(SettingsError) as caught:
        load_settings({}).with_flags(convert={"mean": "1,2"})
    assert "environment" not in caught.value.hint


@pytest.mark.parametrize(
    ("text", "nearest"),
    [
        ('[camera]\nhots = "x"\n', "camera.host"),
        ("[convert]\nimage = 3\n", "convert.images"),
        ('[camra]\nhost = "x"\n', "camera"),
        ('cache = "x"\n', "cache_dir"),
    ],
)
def test_an_unknown_key_names_the_nearest_known_one(
    tmp_path: Path, text: str, nearest: str
) -> None:
    with pytest.raises(SettingsError, match="unknown setting") as caught:
        load_settings(write(tmp_path, text))
    assert f"`{nearest}`" in caught.value.hint


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("[camera]\nport = 0\n", "camera.port"),
        ('[camera]\nport = "ssh"\n', "camera.port"),
        ("[convert]\nmin_cosine = 2\n", "convert.min_cosine"),
    ],
)
def test_a_value_out_of_range_names_its_key_and_file(tmp_path: Path, text: str, key: str) -> None:
    with pytest.raises(SettingsError, match=key) as caught:
        load_settings(write(tmp_path, text))
    assert "my.toml" in caught.value.message


def test_a_flag_out_of_range_is_refused() -> None:
    with pytest.raises(SettingsError, match="the command line"):
        load_settings({}).with_flags(camera={"port": 70000})


def test_unreadable_files_are_refused(tmp_path: Path) -> None:
    for text in ("[camera", "camera = 3\n"):
        with pytest.raises(SettingsError):
            load_settings(write(tmp_path, text))
    with pytest.raises(SettingsError, match="does not exist"):
        load_settings({"RECAM_SETTINGS": str(tmp_path / "none.toml")})


def test_case_13_a_settings_file_may_begin_as_windows_editors_begin_it(tmp_path: Path) -> None:
    path = tmp_path / "recam.toml"
    path.write_bytes(b"\xef\xbb\xbf" + b'[camera]\r\nhost = "cam"\r\n')
    assert load_settings({"RECAM_SETTINGS": str(path)}).camera.host == "cam"


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [("utf-16", "UTF-16"), ("utf-16-le", "UTF-16LE"), ("cp1252", "Windows-1252")],
)
def test_case_13_a_settings_file_in_another_encoding_names_it(
    tmp_path: Path, encoding: str, shown: str
) -> None:
    path = tmp_path / "recam.toml"
    path.write_bytes('[camera]\nuser = "Müller"\n'.encode(encoding))
    with pytest.raises(SettingsError, match=f"not UTF-8, it seems to be {shown}"):
        load_settings({"RECAM_SETTINGS": str(path)})


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a = " + "[" * 20_000, "nested too deeply"),
        ("a = " + "[" * 200 + "]" * 200, "nested too deeply"),
        ("a = " + "9" * 5000, "too many digits"),
        ("a = 1\na = 2\n", "overwrite"),
    ],
)
def test_foreign_toml_is_refused_in_one_line(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(SettingsError, match=reason) as refused:
        load_settings(write(tmp_path, text))
    assert "\n" not in refused.value.message


def test_a_password_is_never_shown(tmp_path: Path) -> None:
    settings = load_settings({"RECAM_PASSWORD": SECRET})
    assert SECRET not in repr(settings)
    with pytest.raises(SettingsError) as caught:
        lawful(tmp_path / "my.toml")
        load_settings(write(tmp_path, f'[camera]\npassword = ["{SECRET}"]\n'))
    assert SECRET not in caught.value.message


def test_lists_may_be_written_with_commas_outside_the_file(tmp_path: Path) -> None:
    environment = write(
        tmp_path, '[convert]\noutput_names = ["a", "b,c"]\ninput_shapes = [[1, 3, 64, 64]]\n'
    )
    convert = load_settings(environment).convert
    assert convert.output_names == ("a", "b,c")
    assert convert.input_shapes == ((1, 3, 64, 64),)
    environment |= {
        "RECAM_CONVERT_OUTPUT_NAMES": "x, y",
        "RECAM_CONVERT_MEAN": "1,2,3",
        "RECAM_CONVERT_INPUT_SHAPES": "[[1,3,32,32]]",
        "RECAM_CONVERT_COMPARE_ALL": "true",
    }
    convert = load_settings(environment).convert
    assert (convert.output_names, convert.mean) == (("x", "y"), (1.0, 2.0, 3.0))
    assert convert.input_shapes == ((1, 3, 32, 32),)
    assert convert.compare_all is True
    assert load_settings(environment).with_flags(
        convert={"input_shapes": "1,3,96,96"}
    ).convert.input_shapes == ((1, 3, 96, 96),)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("excepts", "a,$(touch canary)"),
        ("transform_excepts", "a;b"),
        ("model_name", "a b"),
        ("debug_cmd", "`x`"),
        ("input_types", "float16"),
        ("tolerance", "0.9"),
        ("pixel_format", "yuv"),
    ],
)
def test_what_a_tool_would_choke_on_is_refused_here(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"convert.{name}"):
        load_settings({f"RECAM_CONVERT_{name.upper()}": value})
