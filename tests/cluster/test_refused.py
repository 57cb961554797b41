"""What is no fitting cluster is refused with one line and a hint, and soon."""

from __future__ import annotations

import http.server
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from dask_processes import (
    PROJECT,
    Scheduler,
    connected,
    environment,
    packages_without,
    scheduler,
    worker,
)
from networks import a_network

from recam_deploy.errors import EvaluationError, RecamError, UsageError
from recam_deploy.evaluation import cluster
from recam_deploy.evaluation.cluster import check_cluster
from recam_deploy.evaluation.detecting import Models
from recam_deploy.evaluation.running import spread_over
from recam_deploy.version import __version__

_SOON = 45
WITHOUT_SITE = (sys.executable, "-S")


@pytest.fixture
def models(tmp_path: Path) -> Models:
    """Models that nothing may come to load."""
    prepared = tmp_path / "float.onnx"
    prepared.write_bytes(b"no model")
    return Models(a_network(), tmp_path / "model.cvimodel", prepared, None)


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Scheduler]:
    with scheduler(tmp_path / "dask") as running:
        yield running


def refusal(models: Models, address: str, capfd: pytest.CaptureFixture[str]) -> RecamError:
    """The error; it comes soon, in one line, has a hint, and nothing else was printed."""
    begun = time.monotonic()
    with pytest.raises(RecamError) as caught:
        list(spread_over(1, address)(models, [PROJECT / "README.md"]))
    assert time.monotonic() - begun < _SOON
    assert "\n" not in caught.value.message + caught.value.hint
    assert caught.value.hint
    assert capfd.readouterr() == ("", "")
    return caught.value


@pytest.mark.parametrize(
    "address",
    [
        *("", " ", "dask", "10.0.0.5", "tcp://10.0.0.5", "tcp://:8786", "tcp://10.0.0.5:0"),
        *("tcp://10.0.0.5:99999", "tcp://10.0.0.5:-1", "tcp://10.0.0.5:http", "tcp://[::1:8786"),
        *("http://10.0.0.5:8786", "inproc://10.0.0.5/1/1", "processes", "unix:///run/dask"),
        *("8786", ":8786", "tcp:/10.0.0.5:8786", "scheduler.json", "tcp://a b:8786", "tcp://a\n:1"),
    ],
)
def test_what_is_no_address_is_refused_before_anything_is_tried(
    address: str, models: Models, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UsageError, match="no address of a Dask scheduler"):
        check_cluster(address)
    refusal(models, address, capfd)


def test_an_address_needs_no_scheme() -> None:
    for address in ("10.0.0.5:8786", "tcp://10.0.0.5:8786", "tcp://[::1]:8786", "tls://host:8786"):
        check_cluster(address)


def test_nothing_listening_is_said(models: Models, capfd: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as one:
        # Bound, or another test takes the port.
        one.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{one.getsockname()[1]}"
        assert "Connection refused" in refusal(models, address, capfd).message


def test_an_unknown_host_is_said(models: Models, capfd: pytest.CaptureFixture[str]) -> None:
    refusal(models, "tcp://no-such-host.invalid:8786", capfd)


def test_tls_without_certificates_is_said(
    models: Models, started: Scheduler, capfd: pytest.CaptureFixture[str]
) -> None:
    address = started.address.replace("tcp://", "tls://")
    assert "TLS" in refusal(models, address, capfd).message


class _Quiet(http.server.BaseHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Print nothing: it would be taken for what recam prints."""


@contextmanager
def answering(banner: bytes | None) -> Iterator[str]:
    """A server that sends `banner` to whoever connects, and then is silent; None: HTTP."""
    if banner is None:
        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Quiet) as web:
            threading.Thread(target=web.serve_forever, daemon=True).start()
            yield f"tcp://127.0.0.1:{web.server_port}"
            web.shutdown()
        return
    with socket.create_server(("127.0.0.1", 0)) as server:
        kept = []

        def serve() -> None:
            try:
                while True:
                    kept.append(server.accept()[0])
                    kept[-1].sendall(banner)
            except OSError:
                return

        threading.Thread(target=serve, daemon=True).start()
        yield f"tcp://127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)
        for one in kept:
            one.close()


@pytest.mark.parametrize(
    "banner",
    [None, b"", b"SSH-2.0-OpenSSH_9.6\r\n", b"\x00" * 64, b"\x01" + b"\x00" * 7 + b"\xff" * 64],
    ids=["http", "silent", "ssh", "noughts", "garbage"],
)
def test_something_else_that_listens_is_no_scheduler(
    banner: bytes | None,
    models: Models,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cluster, "_CONNECT_SECONDS", 3)
    with answering(banner) as address:
        assert "no Dask scheduler answers" in refusal(models, address, capfd).message


def test_a_worker_is_no_scheduler(
    models: Models, started: Scheduler, capfd: pytest.CaptureFixture[str]
) -> None:
    with worker(started, "one"):
        with connected(started.address) as client:
            (address,) = client.nthreads()
        assert "but a worker" in refusal(models, address, capfd).message


def test_a_scheduler_without_workers_is_said(
    models: Models,
    started: Scheduler,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cluster, "_WORKER_SECONDS", 2)
    error = refusal(models, started.address, capfd)
    assert "has had no worker for 2 s" in error.message
    assert "dask worker" in error.hint


def test_a_frozen_scheduler_is_said(
    models: Models,
    started: Scheduler,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cluster, "_CONNECT_SECONDS", 3)
    os.kill(started.process.pid, signal.SIGSTOP)
    assert "no Dask scheduler answers" in refusal(models, started.address, capfd).message


@pytest.mark.parametrize("nanny", [False, True])
def test_a_worker_without_recam_deploy_is_named(
    nanny: bool, models: Models, started: Scheduler, capfd: pytest.CaptureFixture[str]
) -> None:
    variables = packages_without(started.folder / "packages", "recam_deploy")
    with worker(started, "bare", python=WITHOUT_SITE, variables=variables, nanny=nanny):
        error = refusal(models, started.address, capfd)
    assert error.message.startswith("the worker tcp://127.0.0.1:")
    assert f"needs recam-deploy {__version__}, as here: it has none" in error.message
    assert "start them again" in error.hint


@pytest.mark.parametrize("package", ["onnxruntime", "numpy", "pillow"])
def test_a_worker_without_a_package_that_computes_is_named(
    package: str, models: Models, started: Scheduler, capfd: pytest.CaptureFixture[str]
) -> None:
    left_out = ("pillow_1", "pillow_2", "pil") if package == "pillow" else (package,)
    variables = packages_without(started.folder / "packages", *left_out, f"{package}_")
    with worker(started, "bare", python=WITHOUT_SITE, variables=variables):
        error = refusal(models, started.address, capfd)
    assert f"needs {package} " in error.message
    assert "it has none" in error.message


@pytest.mark.parametrize("package", ["recam-deploy", "onnxruntime", "numpy"])
def test_a_worker_with_another_version_is_named(
    package: str, models: Models, started: Scheduler, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = started.folder / "old"
    about = folder / f"{package.replace('-', '_')}-0.0.7.dist-info" / "METADATA"
    about.parent.mkdir(parents=True)
    about.write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 0.0.7\n")
    variables = environment(PYTHONPATH=f"{folder}{os.pathsep}{PROJECT}")
    with worker(started, "new"), worker(started, "old", variables=variables):
        error = refusal(models, started.address, capfd)
    assert f"needs {package} " in error.message
    assert "it has 0.0.7" in error.message


def test_a_worker_whose_code_is_another_version_than_was_installed_is_named(
    models: Models, started: Scheduler, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = started.folder / "code"
    shutil.copytree(PROJECT / "recam_deploy", folder / "recam_deploy")
    (folder / "recam_deploy" / "version.py").write_text('__version__ = "0.0.7"\n')
    with worker(started, "old", variables=environment(PYTHONPATH=str(folder))):
        error = refusal(models, started.address, capfd)
    assert error.message == f"a worker has recam-deploy 0.0.7, and this is {__version__}"


def test_a_worker_with_another_python_is_named(
    models: Models, started: Scheduler, capfd: pytest.CaptureFixture[str]
) -> None:
    python = other_python()
    variables = packages_without(started.folder / "packages", "recam_deploy")
    with worker(started, "old", python=(python, "-S"), variables=variables):
        error = refusal(models, started.address, capfd)
    assert "runs Python 3." in error.message
    assert f"Python 3.{sys.version_info.minor};" in error.hint


def other_python() -> str:
    """Another version of CPython in which a worker starts with the packages of this one."""
    places = [Path(folder) for folder in os.get_exec_path()]
    versions = Path.home() / ".pyenv" / "versions"
    places += sorted(versions.glob("3.*/bin")) if versions.is_dir() else []
    for minor in (12, 13, 11, 10, 14):
        for place in places:
            python = place / f"python3.{minor}"
            if minor == sys.version_info.minor or not python.exists():
                continue
            done = subprocess.run(
                [str(python), "-c", "import ssl, ctypes, sqlite3"], capture_output=True, check=False
            )
            if done.returncode == 0:
                return str(python)
    pytest.skip("no other version of Python is installed")


def test_without_the_extra_the_command_that_installs_it_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(EvaluationError, match="needs the package distributed") as caught:
        check_cluster("tcp://10.0.0.5:8786")
    assert "pip install" in caught.value.hint
    assert "[dask]" in caught.value.hint


def test_a_failing_model_is_one_line(
    models: Models, started: Scheduler, capfd: pytest.CaptureFixture[str]
) -> None:
    with worker(started, "one"):
        assert "cannot load" in refusal(models, started.address, capfd).message
