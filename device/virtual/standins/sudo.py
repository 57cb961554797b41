"""Play the camera's ``sudo``: ask for the password and run a command "as root".

Nothing gets more rights by it: the command runs as the same user, with a mark in its
environment by which the virtual ``sscma-model`` knows that it may use the TPU.
Messages, prompts and the three tries are sudo's; ``PATH`` and ``LD_LIBRARY_PATH`` are
kept, the rest of the environment is reset (reCamera-OS: ``env_keep``). As sudo does
without a terminal, it remembers a given password for the
shell that called it: here, for the SSH command.

Started as ``sudo.py CAMERA-FOLDER OPTIONS... COMMAND``; standard library only.
"""

from __future__ import annotations

import hmac
import os
import re
import shutil
import sys
import termios
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from virtual import riscv
from virtual.processes import start_of

USER = "recamera"
HOST = "reCamera"
KEPT = ("PATH", "LD_LIBRARY_PATH")
ALLOWED = (*KEPT, "TERM", "LANG", "TZ")
TRIES = 3
REMEMBERED_SECONDS = 300
ROOT_MARK = "VIRTUAL_CAMERA_ROOT"

NO_TERMINAL = (
    "a terminal is required to read the password; either use the -S option to read from "
    "standard input or configure an askpass helper"
)


def fail(*lines: str) -> NoReturn:
    for line in lines:
        print(f"sudo: {line}", file=sys.stderr)
    sys.exit(1)


@dataclass
class Options:
    """The command line, as far as it is played."""

    stdin: bool = False
    prompt: str | None = None
    forget: bool = False
    never_ask: bool = False
    validate: bool = False
    shell: bool = False
    user: str = "root"
    variables: dict[str, str] = field(default_factory=dict)
    command: list[str] = field(default_factory=list)


_FLAGS = {"S": "stdin", "k": "forget", "K": "forget", "n": "never_ask", "v": "validate"}
_FLAGS |= {"s": "shell", "i": "shell"}
_ARGUMENTS = {"p": "prompt", "u": "user"}
_LONG = {"--stdin": "-S", "--reset-timestamp": "-k", "--non-interactive": "-n"}
_LONG |= {"--validate": "-v", "--prompt": "-p", "--user": "-u", "--shell": "-s"}
_LONG |= {"--preserve-env": "-E", "--set-home": "-H", "--login": "-i"}


def parse(arguments: list[str]) -> Options:
    """Parse sudo's options, bundled or not, up to the command or ``--``."""
    options = Options()
    rest = list(arguments)
    while rest and rest[0].startswith("-") and rest[0] != "-":
        word = rest.pop(0)
        if word == "--":
            break
        parse_letters(options, short_form(word)[1:], rest)
    while rest and re.match(r"[A-Za-z_][A-Za-z0-9_]*=", rest[0]):
        name, _, value = rest.pop(0).partition("=")
        options.variables[name] = value
    options.command = rest
    return options


def short_form(word: str) -> str:
    """Turn ``--prompt=x`` into ``-px``; leave a short option as it is."""
    name, _, value = word.partition("=")
    if name in _LONG:
        return _LONG[name] + value
    if word.startswith("--"):
        fail(f"unrecognized option '{word}'")
    return word


def parse_letters(options: Options, letters: str, rest: list[str]) -> None:
    """Parse a word of bundled options; an argument may be the next word of ``rest``."""
    while letters:
        letter, letters = letters[0], letters[1:]
        if letter in _ARGUMENTS:
            if not letters and not rest:
                fail(f"option requires an argument -- '{letter}'")
            # "-p ''" is an argument, too: the empty prompt.
            setattr(options, _ARGUMENTS[letter], letters or rest.pop(0))
            return
        if letter in _FLAGS:
            setattr(options, _FLAGS[letter], True)
        elif letter not in "EHbP":
            fail(f"invalid option -- '{letter}'")


def stamp(camera: Path) -> Path:
    """Name the record of an accepted password, one an SSH command."""
    session = os.getsid(0)
    return camera / "tmp" / f"sudo-{session}-{start_of(session) or 'gone'}".replace("/", "-")


def remembered(record: Path) -> bool:
    try:
        return 0 <= time.time() - record.stat().st_mtime < REMEMBERED_SECONDS
    except OSError:
        return False


def expand(prompt: str) -> str:
    """Expand sudo's escapes in a prompt."""
    values = {"p": USER, "u": USER, "U": "root", "h": HOST, "H": HOST, "%": "%"}
    return re.sub(r"%([puUhH%])", lambda match: values[match.group(1)], prompt)


def read_line(descriptor: int) -> bytes | None:
    """Read one line, byte by byte: what follows belongs to the command.

    Returns None at the end.
    """
    line = b""
    while True:
        byte = os.read(descriptor, 1)
        if not byte:
            return line or None
        if byte in b"\r\n":
            return line
        line += byte


def ask(prompt: str, terminal: int | None) -> bytes | None:
    """Ask for one password: from standard input, or from the terminal with echo off."""
    if terminal is None:
        os.write(2, os.fsencode(prompt))
        return read_line(0)
    before = termios.tcgetattr(terminal)
    quiet = list(before)
    quiet[3] &= ~termios.ECHO
    try:
        termios.tcsetattr(terminal, termios.TCSAFLUSH, quiet)
        os.write(terminal, os.fsencode(prompt))
        return read_line(terminal)
    finally:
        termios.tcsetattr(terminal, termios.TCSAFLUSH, before)
        os.write(terminal, b"\n")


def authenticate(camera: Path, options: Options) -> None:
    """Return when the password was right; exit 1 as sudo does when not."""
    if options.never_ask:
        fail("a password is required")
    terminal = None
    if not options.stdin:
        try:
            terminal = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)
        except OSError:
            fail(NO_TERMINAL, "a password is required")
    password = (camera / "password").read_bytes().rstrip(b"\n")
    prompt = expand(options.prompt) if options.prompt is not None else None
    if prompt is None:
        prompt = f"[sudo] password for {USER}: "
    for attempt in range(TRIES):
        given = ask(prompt, terminal)
        if given is None:
            problem = incorrect(attempt) if attempt else "a password is required"
            fail("no password was provided", problem)
        if hmac.compare_digest(given, password):
            return
        if attempt + 1 < TRIES:
            print("Sorry, try again.", file=sys.stderr)
    fail(incorrect(TRIES))


def incorrect(count: int) -> str:
    return f"{count} incorrect password attempt{'s' if count > 1 else ''}"


def environment(camera: Path, options: Options) -> dict[str, str]:
    refused = [name for name in options.variables if name not in ALLOWED]
    if refused:
        fail(
            "sorry, you are not allowed to set the following environment variables: "
            + ", ".join(refused)
        )
    values = {name: os.environ[name] for name in ALLOWED if name in os.environ}
    # The camera's /root: a program that writes to its home must not reach the host's.
    values |= {"HOME": str(camera / "root" / "root"), "USER": "root", "LOGNAME": "root"}
    values |= {"SHELL": "/bin/sh"}
    values |= {"SUDO_USER": USER, "SUDO_UID": "1000", "SUDO_GID": "1000"}
    return values | options.variables | {ROOT_MARK: "1"}


def run(camera: Path, options: Options) -> NoReturn:
    values = environment(camera, options)
    if options.shell:
        command = ["/bin/sh", *(["-c", " ".join(options.command)] if options.command else [])]
    else:
        command = options.command
    command = riscv.in_arguments(command, Path.cwd(), camera / "bin" / "riscv-run")
    program = shutil.which(command[0], path=values.get("PATH"))
    if program is None:
        fail(f"{command[0]}: command not found")
    try:
        os.execve(program, command, values)  # noqa: S606 - the whole point of sudo
    except OSError as error:
        fail(f"unable to execute {program}: {error.strerror}")


def main(camera: Path, arguments: list[str]) -> None:
    options = parse(arguments)
    record = stamp(camera)
    if options.forget:
        record.unlink(missing_ok=True)
        if not options.command and not options.validate:
            return
    if not (options.command or options.validate or options.shell):
        print("usage: sudo [-knSv] [-p prompt] [VAR=value] [command [arg ...]]", file=sys.stderr)
        sys.exit(1)
    if options.user not in ("root", "#0"):
        fail(f"unknown user {options.user}")
    if options.forget or not remembered(record):
        authenticate(camera, options)
    if not options.forget:
        record.touch(mode=0o600)
    if options.command or options.shell:
        run(camera, options)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
