"""Case 28: what pip knows of index, certificates and proxy, uv is told too."""

from __future__ import annotations

from pathlib import Path

import pytest

from recam_deploy.redaction import redact
from recam_deploy.toolchain.pip_settings import pip_settings
from recam_deploy.toolchain.uv import find_uv, install_error, uv_environment

from .fakes import completed

INDEX = "https://pip.example/simple"


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """A user without settings, whatever this machine has."""
    return {
        "HOME": str(tmp_path / "home"),
        "XDG_CONFIG_DIRS": str(tmp_path / "xdg"),
        "PIP_INDEX_URL": "",
    }


def index(place: str, name: str = "index-url", section: str = "global") -> str:
    return f"[{section}]\n{name} = https://{place}.example/simple\n"


@pytest.mark.parametrize(
    "place", ["home/.pip/pip.conf", "home/.config/pip/pip.conf", "xdg/pip/pip.conf", "env/pip.conf"]
)
def test_the_index_of_each_of_pips_files_is_used(
    environ: dict[str, str], tmp_path: Path, place: str
) -> None:
    write(tmp_path / place, index("pip"))
    made = uv_environment({**environ, "VIRTUAL_ENV": str(tmp_path / "env")})
    assert made["UV_DEFAULT_INDEX"] == INDEX


def test_the_order_of_the_files_and_sections_is_pips(
    environ: dict[str, str], tmp_path: Path
) -> None:
    def found(**more: str) -> str:
        return pip_settings(environ | more)["index-url"]

    write(tmp_path / "xdg/pip/pip.conf", index("all", "index_url"))
    assert found() == "https://all.example/simple"
    write(tmp_path / "home/.pip/pip.conf", index("old"))
    assert found() == "https://old.example/simple"
    own = write(tmp_path / "home/.config/pip/pip.conf", index("own"))
    assert found() == "https://own.example/simple"
    named = str(write(tmp_path / "named.conf", index("named")))
    assert found(PIP_CONFIG_FILE=named) == "https://named.example/simple"
    own.write_text(index("own") + index("install", section="install"))
    assert found() == "https://install.example/simple"
    # A named file stands in the place of the user's own ones.
    assert found(PIP_CONFIG_FILE=named) == "https://named.example/simple"
    assert found(PIP_INDEX_URL=INDEX) == INDEX
    assert pip_settings(environ | {"PIP_CONFIG_FILE": "/dev/null"}) == {}


def test_further_indexes_folders_and_the_proxy_are_passed_on_as_pip_takes_them(
    environ: dict[str, str], tmp_path: Path
) -> None:
    write(
        tmp_path / "home/.config/pip/pip.conf",
        "[global]\nextra-index-url =\n  https://a.example/simple\n  https://b.example/simple\n"
        "find-links = /wheels https://c.example\nproxy = http://proxy.example:3128\n"
        "trusted-host = a.example\ncert = /ca.pem\n",
    )
    made = uv_environment(environ)
    assert made["UV_INDEX"] == "https://a.example/simple https://b.example/simple"
    assert made["UV_INDEX_STRATEGY"] == "unsafe-best-match"
    assert made["UV_FIND_LINKS"] == "/wheels,https://c.example"
    assert made["HTTPS_PROXY"] == made["HTTP_PROXY"] == "http://proxy.example:3128"
    assert made["UV_INSECURE_HOST"] == "a.example"
    assert made["SSL_CERT_FILE"] == "/ca.pem"
    extra = uv_environment({**environ, "PIP_EXTRA_INDEX_URL": "https://d.example/simple"})
    assert extra["UV_INDEX"] == "https://d.example/simple"
    own = {
        "HTTPS_PROXY": "http://mine",
        "UV_INDEX_STRATEGY": "first-index",
        "UV_INDEX": "https://e",
    }
    assert own.items() <= uv_environment(environ | own).items()


@pytest.mark.parametrize(
    "text",
    ['index-url = "https://uv.example/simple"\n', '[[index]]\nurl = "https://uv.example/simple"\n'],
)
@pytest.mark.parametrize("place", ["home/.config/uv/uv.toml", "uv.toml"])
def test_an_index_in_uvs_own_file_wins(
    environ: dict[str, str], tmp_path: Path, place: str, text: str
) -> None:
    """uv reads it itself; a variable would win over it."""
    write(tmp_path / "home/.config/pip/pip.conf", index("pip"))
    path = write(tmp_path / place, text)
    named = {"UV_CONFIG_FILE": str(path)} if place == "uv.toml" else {}
    assert "UV_DEFAULT_INDEX" not in uv_environment(environ | named)
    path.write_text("offline = false\n")
    assert uv_environment(environ | named)["UV_DEFAULT_INDEX"] == INDEX


@pytest.mark.parametrize("text", ["index-url = x\n", "[global\n", "[global]\n[global]\n", "\0\xff"])
def test_a_file_that_pip_could_not_read_is_passed_over(
    environ: dict[str, str], tmp_path: Path, text: str
) -> None:
    before = uv_environment(environ)
    write(tmp_path / "home/.config/pip/pip.conf", text)
    assert uv_environment(environ) == before


def test_the_password_of_an_index_is_never_printed(environ: dict[str, str], tmp_path: Path) -> None:
    address = "https://anna:Kirsch%21baum7@pip.example/simple"
    write(tmp_path / "home/.config/pip/pip.conf", f"[global]\nindex-url = {address}\n")
    uv = find_uv(environ, tmp_path)
    assert uv.environ["UV_DEFAULT_INDEX"] == address
    said = f"error: odd reply of {address}\n  the password was Kirsch!baum7\n"
    message = install_error(completed(2, output=said)).message
    assert "pip.example" in message
    for form in ("Kirsch!baum7", "Kirsch%21baum7"):
        assert form not in message
        assert form not in redact(said)
