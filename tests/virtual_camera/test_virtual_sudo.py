"""``sudo`` and the preinstalled ``sscma-model`` over SSH."""

from __future__ import annotations

import io
import shlex
from collections.abc import Callable

import paramiko
import pytest
from planted import CAMERA_PASSWORD, WRONG, secret

from .conftest import Camera, Reply

Execute = Callable[..., Reply]

ENTERED = f"{CAMERA_PASSWORD}\n".encode()
PROMPT = "[sudo] password for recamera: "


def test_the_right_password_runs_the_command_as_root(
    client: paramiko.SSHClient, execute: Execute
) -> None:
    reply = execute(client, "sudo -S id -u", ENTERED)
    assert (reply.code, reply.out, reply.err) == (0, "0\n", PROMPT)


def test_what_follows_the_password_belongs_to_the_command(
    client: paramiko.SSHClient, execute: Execute
) -> None:
    assert execute(client, "sudo -S -p '' cat", ENTERED + b"the rest\n").out == "the rest\n"


def test_a_prompt_of_ones_own(client: paramiko.SSHClient, execute: Execute) -> None:
    reply = execute(client, "sudo -k -S -p 'pass of %p on %h: ' -- true", ENTERED)
    assert (reply.code, reply.err) == (0, "pass of recamera on reCamera: ")


def test_three_wrong_passwords_end_it(client: paramiko.SSHClient, execute: Execute) -> None:
    reply = execute(client, "sudo -S true", b"a\nb\nc\n" + ENTERED)
    assert reply.code == 1
    assert reply.err == (
        f"{PROMPT}Sorry, try again.\n" * 2 + f"{PROMPT}sudo: 3 incorrect password attempts\n"
    )


def test_one_wrong_password_and_the_end_of_input(
    client: paramiko.SSHClient, execute: Execute
) -> None:
    reply = execute(client, "sudo -S true", f"{WRONG}\n".encode())
    assert reply.code == 1
    assert reply.err.endswith(
        "sudo: no password was provided\nsudo: 1 incorrect password attempt\n"
    )


def test_no_password_at_all(client: paramiko.SSHClient, execute: Execute) -> None:
    reply = execute(client, "sudo -S true")
    assert reply.code == 1
    assert reply.err.endswith("sudo: no password was provided\nsudo: a password is required\n")


def test_without_a_terminal_it_says_so(client: paramiko.SSHClient, execute: Execute) -> None:
    reply = execute(client, "sudo true")
    assert reply.code == 1
    assert reply.err.startswith("sudo: a terminal is required to read the password;")


def test_never_asking_fails_where_a_password_is_needed(
    client: paramiko.SSHClient, execute: Execute
) -> None:
    reply = execute(client, "sudo -n true")
    assert (reply.code, reply.err) == (1, "sudo: a password is required\n")


def test_one_command_asks_once_and_the_next_asks_again(
    client: paramiko.SSHClient, execute: Execute
) -> None:
    assert execute(client, "sudo -S true && sudo -n id -u", ENTERED).out == "0\n"
    assert execute(client, "sudo -n true").code == 1


def test_the_environment_is_reset_but_for_two_paths(
    client: paramiko.SSHClient, camera: Camera, execute: Execute
) -> None:
    reply = execute(client, "SECRET=1 LD_LIBRARY_PATH=/x sudo -S env", ENTERED)
    values = dict(line.split("=", 1) for line in reply.out.splitlines())
    assert values["LD_LIBRARY_PATH"] == "/x"
    assert values["PATH"].startswith(str(camera.root))
    assert (values["USER"], values["SUDO_USER"]) == ("root", "recamera")
    assert values["HOME"] == str(camera.root / "root")
    assert "SECRET" not in values


def test_variables_on_the_command_line(client: paramiko.SSHClient, execute: Execute) -> None:
    reply = execute(client, "sudo -S LD_LIBRARY_PATH=/y printenv LD_LIBRARY_PATH", ENTERED)
    assert reply.out == "/y\n"
    refused = execute(client, "sudo -S LD_PRELOAD=/y true", ENTERED)
    assert refused.code == 1
    assert "not allowed to set the following environment variables: LD_PRELOAD" in refused.err


def test_unknown_commands_and_users(client: paramiko.SSHClient, execute: Execute) -> None:
    missing = execute(client, "sudo -S -p '' no-such-thing", ENTERED)
    assert (missing.code, missing.err) == (1, "sudo: no-such-thing: command not found\n")
    assert execute(client, "sudo -S -u nobody true", ENTERED).code == 1


def test_a_changed_password_counts_at_once(camera: Camera, execute: Execute) -> None:
    file, changed = camera.folder / "password", secret("a changed password")
    before = file.read_text(encoding="utf-8")
    try:
        file.write_text(f"{changed}\n", encoding="utf-8")
        with pytest.raises(paramiko.AuthenticationException):
            camera.connect()
        client = camera.connect(password=changed)
        assert execute(client, "sudo -S true", ENTERED).code == 1
        assert execute(client, "sudo -S true", f"{changed}\n".encode()).code == 0
        client.close()
    finally:
        file.write_text(before, encoding="utf-8")


def test_on_a_terminal_it_asks_there_without_echo(camera: Camera) -> None:
    client = camera.connect()
    stdin, stdout, _ = client.exec_command("sudo id -u", get_pty=True, timeout=20)
    output = b""
    while not output.endswith(PROMPT.encode()):
        data = stdout.channel.recv(100)
        assert data, output
        output += data
    stdin.write(ENTERED)
    rest = stdout.read()
    assert rest.replace(b"\r", b"").strip() == b"0"
    assert stdout.channel.recv_exit_status() == 0
    client.close()


@pytest.mark.parametrize("place", ["installed", "uploaded"])
def test_sscma_model_needs_library_path_and_root(
    client: paramiko.SSHClient,
    camera: Camera,
    execute: Execute,
    riscv_program: bytes,
    place: str,
) -> None:
    program = camera.runner
    if place == "uploaded":
        program = camera.root / "userdata" / "my runner"
        with client.open_sftp() as sftp:
            sftp.putfo(io.BytesIO(riscv_program), str(program))
            sftp.chmod(str(program), 0o755)
    name, libraries = shlex.quote(str(program)), shlex.quote(camera.library_path)

    bare = execute(client, f"sudo -S -p '' {name} m i o", ENTERED)
    assert bare.code == 127
    assert bare.err.startswith("Error loading shared library libcviruntime.so: No such file")
    assert f"(needed by {program})" in bare.err

    user = execute(client, f"LD_LIBRARY_PATH={libraries} {name} m i o")
    assert user.code == 134
    assert "Assertion failed" in user.err

    usage = execute(client, f"LD_LIBRARY_PATH={libraries} sudo -S {name} m", ENTERED)
    assert usage.code == 255
    assert usage.out.startswith("Usage:\n")

    # The library of these tests is hollow, so no model can be loaded.
    last = execute(client, f"LD_LIBRARY_PATH={libraries} sudo -S {name} m i o", ENTERED)
    assert last.code == 1
    assert "engine load model failed" in last.out


def test_a_missing_execute_bit_is_noticed(
    client: paramiko.SSHClient, camera: Camera, execute: Execute, riscv_program: bytes
) -> None:
    program = f"{camera.root}/userdata/not-executable"
    with client.open_sftp() as sftp:
        sftp.putfo(io.BytesIO(riscv_program), program)
        sftp.chmod(program, 0o644)
    reply = execute(client, f"sudo -S -p '' {shlex.quote(program)} m i o", ENTERED)
    assert (reply.code, reply.err) == (1, f"sudo: {program}: command not found\n")
    assert execute(client, f"{shlex.quote(program)} m i o").code == 126
