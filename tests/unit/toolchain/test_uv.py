"""uv: what it is given, what it says, what its failures mean."""

from __future__ import annotations

from pathlib import Path

import pytest

from recam_deploy.toolchain.uv import Uv, find_uv, install_error, uv_environment

from .fakes import FakeRun, Recorder, completed


def test_pips_index_is_passed_on_unless_uv_has_its_own() -> None:
    pip = {"PIP_INDEX_URL": "https://pip.example/simple"}
    assert uv_environment(pip)["UV_DEFAULT_INDEX"] == "https://pip.example/simple"
    for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL"):
        own = uv_environment({**pip, name: "https://uv.example/simple"})
        assert own[name] == "https://uv.example/simple"
        assert "https://pip.example/simple" not in [own.get("UV_DEFAULT_INDEX")]


def test_pips_certificates_are_passed_on_unless_others_are_named(tmp_path: Path) -> None:
    file, folder = tmp_path / "ca.pem", tmp_path / "certs"
    file.touch()
    folder.mkdir()
    assert uv_environment({"PIP_CERT": str(file)})["SSL_CERT_FILE"] == str(file)
    assert uv_environment({"PIP_CERT": str(folder)})["SSL_CERT_DIR"] == str(folder)
    both = uv_environment({"PIP_CERT": str(file), "SSL_CERT_FILE": "/mine.pem"})
    assert both["SSL_CERT_FILE"] == "/mine.pem"


def test_what_would_misdirect_uv_is_dropped_and_the_rest_is_kept() -> None:
    base = {
        "VIRTUAL_ENV": "/v",
        "PYTHONPATH": "/p",
        "UV_LINK_MODE": "symlink",
        "UV_PYTHON": "3.13",
        "HTTPS_PROXY": "http://proxy",
        "UV_CACHE_DIR": "/c",
        "HOME": "/home/user",
        "PIP_CONFIG_FILE": "/dev/null",
    }
    assert uv_environment(base) == {
        "PIP_CONFIG_FILE": "/dev/null",
        "HTTPS_PROXY": "http://proxy",
        "UV_CACHE_DIR": "/c",
        "HOME": "/home/user",
    }


def test_uv_is_found_beside_recam() -> None:
    assert find_uv({}, Path()).program.is_file()


def test_downloads_are_told_with_sizes() -> None:
    said = (
        "Resolved 13 packages in 167ms\nDownloading numpy (16.5MiB)\n"
        "Downloading rich (512.0KiB)\n Downloaded rich\n Downloaded numpy\nInstalled 2 packages\n"
    )
    progress = Recorder()
    uv = Uv(Path("/x/uv"), {}, FakeRun(lambda words: completed(output=said)))
    with progress.step("install") as step:
        uv.run(["pip"], timeout=1.0, step=step)
    assert progress.updates == [
        (0.0, 16.5, "numpy"),
        (0.0, 17.0, "rich"),
        (0.5, 17.0, "rich"),
        (17.0, 17.0, "numpy"),
    ]


@pytest.mark.parametrize(
    ("said", "cause", "remedy"),
    [
        (
            "error: Failed to fetch: `https://x/simple/tqdm/`\n  Caused by: dns error: failed",
            "cannot be reached",
            "(HTTPS_PROXY, ALL_PROXY)",
        ),
        ("error: invalid peer certificate: UnknownIssuer", "not trusted", "SSL_CERT_FILE"),
        (
            "error: Failed to install: x.whl\n  Caused by: No space left on device (os error 28)",
            "no space left",
            "RECAM_CACHE_DIR",
        ),
        (
            "error: Failed to fetch: `https://x/simple/`\n  Caused by: error sending request\n"
            "  Caused by: client error (Connect)\n  Caused by: tunnel error: unsuccessful",
            "refuses the connection",
            "index-url",
        ),
        (
            "error: Hash mismatch for `numpy==1.24.3`",
            "hash of a downloaded package is wrong",
            "index",
        ),
        (
            "  x No solution found when resolving dependencies:\n  Because there is no version of "
            "tpu-mlir==1.7",
            "lacks a package",
            "PyPI",
        ),
    ],
)
def test_known_failures_have_a_cause_and_a_remedy(said: str, cause: str, remedy: str) -> None:
    error = install_error(completed(1, output=said))
    assert cause in error.message
    assert remedy in error.hint


def test_an_unknown_failure_shows_the_last_lines() -> None:
    error = install_error(completed(2, output="a\nb\nerror: the sky fell\n"))
    assert "exit code 2" in error.message
    assert "the sky fell" in error.message


def test_folders_of_packages_that_pip_looks_in_are_looked_in_by_uv_too() -> None:
    assert uv_environment({"PIP_FIND_LINKS": "/a https://b"})["UV_FIND_LINKS"] == "/a,https://b"
    own = uv_environment({"PIP_FIND_LINKS": "/a", "UV_FIND_LINKS": "/c"})
    assert own["UV_FIND_LINKS"] == "/c"


def test_a_failure_names_what_could_not_be_installed() -> None:
    assert install_error(completed(1), "PyTorch").message.startswith("PyTorch could not be")
