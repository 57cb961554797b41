"""A recam.toml of the working folder sends no password to a host that the user has not named.

Row 20 of what was found by reading the code.
"""

from __future__ import annotations

import json
import os
import socket
import stat
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from listener import Listener
from planted import secret
from typer.testing import CliRunner, Result

from recam_deploy.cli.main import app
from recam_deploy.errors import UntrustedSettingsError
from recam_deploy.settings import load_settings
from recam_deploy.workflows.connect import confirm_local_file

SECRET = secret("a password of the environment")
Run = Callable[..., Result]


class Host:
    """A server that counts who connects, and keeps what is sent to log in to Node-RED."""

    def __init__(self) -> None:
        self.seen: list[str | None] = []
        seen = self.seen

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                seen.append(self.headers.get("Authorization"))
                self.send_error(401)

            def log_message(self, *words: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def host() -> Iterator[Host]:
    made = Host()
    yield made
    made.close()


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command line in a folder of its own, with no variables of ours but the given ones."""
    for name in [name for name in os.environ if name.startswith("RECAM_")]:
        monkeypatch.delenv(name)
    for name in ("HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)

    def run_words(*words: str, **variables: str) -> Result:
        return CliRunner().invoke(app, list(words), env=dict(variables))

    return run_words


def closed_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def write(folder: Path, *lines: str) -> Path:
    path = folder / "recam.toml"
    path.write_text("[camera]\n" + "\n".join(lines) + "\n")
    return path


def kind(result: Result) -> str:
    assert result.exit_code == 1, result.output
    return str(json.loads(result.stdout)["error"]["kind"])


SHOW = ("flow", "show", "--json")


def test_row_20_no_token_goes_to_a_host_that_the_folder_names(
    run: Run, tmp_path: Path, host: Host
) -> None:
    write(tmp_path, 'host = "127.0.0.1"', f"node_red_port = {host.port}")
    refused = run(*SHOW, RECAM_NODERED_TOKEN=SECRET)
    assert kind(refused) == "untrusted"
    error = json.loads(refused.stdout)["error"]
    assert "recamera@127.0.0.1" in error["message"]
    assert "recam trust" in error["hint"]
    assert "--host" in error["hint"]
    assert host.seen == []


@pytest.mark.parametrize("way", ["--host", "RECAM_HOST", "RECAM_SETTINGS", "trust"])
def test_row_20_a_host_that_the_user_named_gets_it(
    run: Run, tmp_path: Path, host: Host, way: str
) -> None:
    path = write(tmp_path, 'host = "127.0.0.1"', f"node_red_port = {host.port}")
    words: tuple[str, ...] = SHOW
    variables = {"RECAM_NODERED_TOKEN": SECRET}
    if way == "--host":
        words = (*SHOW, "--host", "127.0.0.1")
    elif way == "RECAM_HOST":
        variables["RECAM_HOST"] = "127.0.0.1"
    elif way == "RECAM_SETTINGS":
        variables["RECAM_SETTINGS"] = str(path)
    else:
        assert json.loads(run("trust", "--json").stdout)["trusted"] is True
    assert kind(run(*words, **variables)) != "untrusted"
    assert host.seen[-1] == f"Bearer {SECRET}"


def test_row_20_the_users_own_file_is_trusted(run: Run, tmp_path: Path, host: Host) -> None:
    own = tmp_path / "home" / "recam"
    own.mkdir(parents=True)
    write(own, 'host = "127.0.0.1"', f"node_red_port = {host.port}")
    assert kind(run(*SHOW, RECAM_NODERED_TOKEN=SECRET)) != "untrusted"
    assert host.seen


@pytest.mark.parametrize(
    ("lines", "variables"),
    [
        (('host = "127.0.0.1"',), {"RECAM_PASSWORD": SECRET}),
        (('host = "127.0.0.1"', "keyring = true"), {}),
        (('host = "127.0.0.1"',), {"RECAM_PASSWORD_PORCH": SECRET, "RECAM_CAMERA": "porch"}),
        (('known_hosts = "theirs"',), {"RECAM_PASSWORD": SECRET, "RECAM_HOST": "127.0.0.1"}),
    ],
)
def test_row_20_no_login_is_begun_for_what_the_folder_names(
    run: Run, tmp_path: Path, lines: tuple[str, ...], variables: dict[str, str]
) -> None:
    port = f"port = {closed_port()}"
    write(tmp_path, *lines, port, "[camera.porch]", 'user = "x"')
    assert kind(run("history", "--json", **variables)) == "untrusted"
    assert kind(run("doctor", "--json", **variables)) == "untrusted"
    run("trust", **variables)
    assert kind(run("history", "--json", **variables)) != "untrusted"


def test_row_20_without_a_stored_password_nothing_is_asked(run: Run, tmp_path: Path) -> None:
    write(tmp_path, 'host = "127.0.0.1"', f"port = {closed_port()}")
    assert kind(run("history", "--json")) == "connection"


def test_row_20_a_change_of_the_host_asks_again_and_another_change_does_not(
    run: Run, tmp_path: Path
) -> None:
    port = closed_port()
    write(tmp_path, 'host = "127.0.0.1"', f"port = {port}")
    run("trust")
    write(tmp_path, 'host = "127.0.0.1"', f"port = {port}", "history = 5", "timeout = 3")
    assert kind(run("history", "--json", RECAM_PASSWORD=SECRET)) == "connection"
    for other in (('host = "127.0.0.2"', f"port = {port}"), ('host = "127.0.0.1"', "port = 23")):
        write(tmp_path, *other)
        assert kind(run("history", "--json", RECAM_PASSWORD=SECRET)) == "untrusted"
    write(tmp_path, 'host = "127.0.0.1"', f"port = {port}")
    run("trust", "--forget")
    assert kind(run("history", "--json", RECAM_PASSWORD=SECRET)) == "untrusted"


def test_row_20_a_copy_of_a_trusted_file_elsewhere_is_not_trusted(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, 'host = "127.0.0.1"')
    run("trust")
    (tmp_path / "other").mkdir()
    write(tmp_path / "other", 'host = "127.0.0.1"')
    monkeypatch.chdir(tmp_path / "other")
    assert kind(run("history", "--json", RECAM_PASSWORD=SECRET)) == "untrusted"


@pytest.mark.parametrize(
    "variable", ["RECAM_NODERED_TOKEN", "RECAM_NODERED_PASSWORD", "RECAM_NODE_RED_BASIC_PASSWORD"]
)
def test_row_20_no_secret_for_node_red_or_its_proxy_goes_there(
    run: Run, tmp_path: Path, host: Host, variable: str
) -> None:
    write(tmp_path, 'host = "127.0.0.1"', f"node_red_port = {host.port}")
    assert kind(run(*SHOW, **{variable: SECRET})) == "untrusted"
    assert host.seen == []


@pytest.mark.parametrize("line", [f'node_red_fingerprint = "{"ab" * 32}"', 'node_red_ca = "a.pem"'])
def test_row_20_and_case_26_no_folder_says_which_certificate_gets_a_password(
    run: Run, tmp_path: Path, line: str
) -> None:
    write(tmp_path, line, f"node_red_port = {closed_port()}")
    named = (*SHOW, "--host", "127.0.0.1")
    refused = run(*named, RECAM_NODERED_TOKEN=SECRET)
    assert kind(refused) == "untrusted"
    assert "certificate" in json.loads(refused.stdout)["error"]["message"]
    pinned = (*named, "--node-red-fingerprint", "cd" * 32)
    assert kind(run(*pinned, RECAM_NODERED_TOKEN=SECRET)) != "untrusted"
    assert kind(run(*named)) != "untrusted"
    assert kind(run("history", "--json", "--host", "127.0.0.1", "--port", str(closed_port()))) == (
        "connection"
    )


class Answering(Listener):
    """Answers each question, and counts them."""

    def __init__(self, answer: bool) -> None:
        super().__init__()
        self.answer = answer
        self.questions: list[str] = []

    @property
    def may_ask(self) -> bool:
        return True

    def confirm(self, question: str) -> bool:
        self.questions.append(question)
        return self.answer


def test_row_20_a_person_is_asked_once(run: Run, tmp_path: Path) -> None:
    path = write(tmp_path, 'host = "cam"', 'user = "me"')
    camera = load_settings({"RECAM_PASSWORD": SECRET}).camera
    no = Answering(False)
    with pytest.raises(UntrustedSettingsError):
        confirm_local_file(camera, no)
    assert f"{path} names the host me@cam" in no.questions[0]
    yes = Answering(True)
    for _ in range(2):
        confirm_local_file(camera, yes)
    assert len(yes.questions) == 1
    (mark,) = (tmp_path / "home" / "recam" / "trusted").iterdir()
    assert stat.S_IMODE(mark.stat().st_mode) == 0o600


def test_trust_says_when_there_is_nothing_to_trust(run: Run, tmp_path: Path) -> None:
    assert kind(run("trust", "--json")) == "settings"
