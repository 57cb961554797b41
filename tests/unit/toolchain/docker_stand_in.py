"""A `docker` that refuses every word it does not know and runs the inner command on this machine.

As a module it is told what to be (`install`); as a program it is `docker`. It keeps to what the
Docker CLI and Engine document: images by tag, a container that outlives its client, `rm --force`.
"""

from __future__ import annotations

import csv
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NoReturn

BASE = "sophgo/tpuc_dev:v3.1"
INSIDE = "/opt/recam-toolchain"
_HOME = "STAND_IN_DOCKER"

# The options of each command, and whether a value follows.
OPTIONS: dict[str, dict[str, bool]] = {
    "info": {"--format": True},
    "image inspect": {"--format": True},
    "pull": {"--platform": True},
    "build": {"--platform": True, "--tag": True, "--build-arg": True},
    "rm": {"--force": False},
    "run": {
        **dict.fromkeys(("--rm", "--init"), False),
        **dict.fromkeys(("--name", "--pull", "--platform", "--network", "--user"), True),
        **dict.fromkeys(("--cap-drop", "--security-opt", "--userns"), True),
        **dict.fromkeys(("--mount", "--workdir", "--env"), True),
    },
}


@dataclass(frozen=True)
class StandIn:
    """The stand-in in `home`: what it was asked to do, and what of it is still there."""

    home: Path

    @property
    def calls(self) -> list[list[str]]:
        log = self.home / "calls"
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []

    def called(self, command: str) -> list[list[str]]:
        """The calls of one command, such as "run"."""
        return [call for call in self.calls if call[0] == command]

    @property
    def containers(self) -> list[str]:
        return sorted(path.name for path in (self.home / "containers").iterdir())

    @property
    def images(self) -> list[str]:
        return sorted(json.loads(path.read_text())["tag"] for path in self._images())

    def _images(self) -> list[Path]:
        return list((self.home / "images").iterdir())

    def set(self, **settings: Any) -> None:
        """`security`: what `info` lists; `fail`: {command: text} that fails with it; `toolchain`:
        the folder that stands for the one inside the image; `keeps`: whether a build is kept."""
        path = self.home / "settings"
        old = json.loads(path.read_text()) if path.exists() else {}
        path.write_text(json.dumps({**old, **settings}))

    @property
    def environ(self) -> dict[str, str]:
        """The environment in which `docker` is this one."""
        path = os.pathsep.join((str(self.home / "bin"), os.environ.get("PATH", "")))
        return {**os.environ, "PATH": path, _HOME: str(self.home)}


def install(home: Path) -> StandIn:
    """Put a `docker` into `home`/bin."""
    for name in ("bin", "images", "containers"):
        (home / name).mkdir(parents=True)
    program = home / "bin" / "docker"
    # Without site-packages, which it does not need: it starts twice as fast.
    words = shlex.join((sys.executable, "-IS", str(Path(__file__).resolve())))
    program.write_text(f'#!/bin/sh\nexec {words} "$@"\n')
    program.chmod(0o755)
    stand_in = StandIn(home)
    stand_in.set(security=["name=seccomp,profile=builtin"], fail={}, toolchain=None, keeps=True)
    return stand_in


def refuse(message: str, code: int = 125) -> NoReturn:
    print(f"docker: {message}", file=sys.stderr)
    sys.exit(code)


def parse(command: str, words: list[str]) -> tuple[dict[str, list[str]], list[str]]:
    """The options with their values, and what follows them."""
    options: dict[str, list[str]] = {}
    rest = list(words)
    while rest and rest[0].startswith("-"):
        option = rest.pop(0)
        if option not in OPTIONS[command]:
            refuse(f"unknown flag: {option}")
        options.setdefault(option, []).append(rest.pop(0) if OPTIONS[command][option] else "")
    return options, rest


def one(options: dict[str, list[str]], name: str) -> str:
    values = options.get(name, [])
    if len(values) != 1:
        refuse(f"{name} must be given once, not {values}")
    return values[0]


class Docker:
    def __init__(self, home: Path) -> None:
        self.home = home
        self.settings = json.loads((home / "settings").read_text())

    def image(self, tag: str) -> Path:
        return self.home / "images" / tag.replace("/", "~")

    def main(self, words: list[str]) -> int:
        with (self.home / "calls").open("a") as log:
            log.write(json.dumps(words) + "\n")
        command = " ".join(words[:2]) if words[0] == "image" else words[0]
        if command not in OPTIONS:
            refuse(f"unknown command: docker {command}")
        text = self.settings["fail"].get(command)
        if text is not None:
            print(text, file=sys.stderr)
            return 1
        options, rest = parse(command, words[len(command.split()) :])
        handler = getattr(self, command.replace(" ", "_"))
        return int(handler(options, rest))

    def info(self, options: dict[str, list[str]], rest: list[str]) -> int:
        if one(options, "--format") != "{{json .SecurityOptions}}" or rest:
            refuse("this format is not known")
        print(json.dumps(self.settings["security"]))
        return 0

    def image_inspect(self, options: dict[str, list[str]], rest: list[str]) -> int:
        (tag,) = rest
        if not self.image(tag).exists():
            print("\nError response from daemon: No such image: " + tag, file=sys.stderr)
            return 1
        print("sha256:0")
        return 0

    def pull(self, options: dict[str, list[str]], rest: list[str]) -> int:
        if one(options, "--platform") != "linux/amd64" or rest != [BASE]:
            refuse(f"cannot pull {rest}")
        for layer in ("0123456789ab", "ba9876543210"):
            print(f"{layer}: Pulling fs layer")
        for layer in ("0123456789ab", "ba9876543210"):
            print(f"{layer}: Pull complete")
        self.image(BASE).write_text(json.dumps({"tag": BASE, "env": {}}))
        return 0

    def build(self, options: dict[str, list[str]], rest: list[str]) -> int:
        if one(options, "--platform") != "linux/amd64":
            refuse("the platform must be linux/amd64")
        tag = one(options, "--tag")
        if not re.fullmatch(r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*:[\w][\w.-]{0,127}", tag):
            refuse(f'invalid argument "{tag}" for "--tag": invalid reference format')
        (context,) = (Path(word) for word in rest)
        lines = (context / "Dockerfile").read_text().splitlines()
        environment: dict[str, str] = {}
        for number, line in enumerate(lines, 1):
            print(f"Step {number}/{len(lines)} : {line}")
            self.instruction(line, context, environment)
        if self.settings["keeps"]:
            self.image(tag).write_text(json.dumps({"tag": tag, "env": environment}))
        return 0

    def instruction(self, line: str, context: Path, environment: dict[str, str]) -> None:
        word, _, rest = line.partition(" ")
        if word == "FROM":
            if not self.image(rest).exists():
                refuse(f"{rest} must be pulled first")
        elif word == "COPY":
            *sources, _ = rest.split()
            for source in sources:
                if not (context / source).exists():
                    refuse(f"COPY failed: file not found in build context: {source}", 1)
        elif word == "ENV":
            name, _, value = rest.partition("=")
            environment[name] = json.loads(value)
        elif word not in ("RUN", "ARG", "ENTRYPOINT"):
            refuse(f"dockerfile parse error: unknown instruction: {word}", 1)

    def rm(self, options: dict[str, list[str]], rest: list[str]) -> int:
        if "--force" not in options:
            refuse("cannot remove a running container")
        (name,) = rest
        record = self.home / "containers" / name
        if not record.exists():
            print(f"Error response from daemon: No such container: {name}", file=sys.stderr)
            return 1
        os.killpg(int(record.read_text()), signal.SIGKILL)
        record.unlink()
        return 0

    def run(self, options: dict[str, list[str]], rest: list[str]) -> int:
        tag, *words = rest
        if one(options, "--pull") != "never" or not self.image(tag).exists():
            refuse(f"No such image: {tag}")
        for name, value in (("--platform", "linux/amd64"), ("--network", "none")):
            if one(options, name) != value:
                refuse(f"{name} must be {value}")
        for name in ("--rm", "--init"):
            one(options, name)
        if not re.fullmatch(r"\d+:\d+", one(options, "--user")):
            refuse("--user must be uid:gid")
        place = Path(one(options, "--workdir"))
        self.check_files(words, place, [mount(text) for text in options["--mount"]])
        image = json.loads(self.image(tag).read_text())
        environment = {key: self.here(value) for key, value in image["env"].items()}
        for name in options.get("--env", []):
            environment[name] = os.environ[name]
        inner = [self.here(word) for word in words]
        return self.contain(one(options, "--name"), inner, place, environment)

    def check_files(self, words: list[str], place: Path, mounts: list[tuple[Path, bool]]) -> None:
        """Everything that is named, or that a link in a mounted folder leads to, is mounted."""
        seen = [path for path, _ in mounts]

        def visible(path: Path) -> bool:
            return any(path.is_relative_to(mounted) for mounted in seen)

        if (place, True) not in mounts:
            refuse(f"{place} is not mounted to be written")
        for word in words[1:]:
            if word.startswith("/") and not word.startswith(INSIDE) and not visible(Path(word)):
                refuse(f"{word} is not mounted")
        for folder in (path for path in seen if path.is_dir()):
            for link in (path for path in folder.rglob("*") if path.is_symlink()):
                if not visible(Path(os.path.abspath(link.parent / link.readlink()))):  # noqa: PTH100
                    refuse(f"{link} leads out of the container")

    def here(self, text: str) -> str:
        """`text` with the places inside the image replaced by those of this machine."""
        if self.settings["toolchain"] is None:
            return text.replace(f"{INSIDE}/env/bin/python3", sys.executable)
        return text.replace(INSIDE, self.settings["toolchain"])

    def contain(self, name: str, words: list[str], place: Path, environment: dict[str, str]) -> int:
        """Run `words` as the daemon would: in a process of its own that outlives this one."""
        process = subprocess.Popen(
            words,
            cwd=place,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        record = self.home / "containers" / name
        record.write_text(str(process.pid))
        pairs = ((process.stdout, 1), (process.stderr, 2))
        threads = [threading.Thread(target=relay, args=pair, daemon=True) for pair in pairs]
        for thread in threads:
            thread.start()
        code = process.wait()
        for thread in threads:
            thread.join()
        record.unlink()
        return 128 - code if code < 0 else code


def relay(source: IO[bytes], target: int) -> None:
    while chunk := os.read(source.fileno(), 65536):
        os.write(target, chunk)


def mount(text: str) -> tuple[Path, bool]:
    """The path of a `--mount`, the same outside and inside, and whether it can be written."""
    (fields,) = csv.reader([text])
    values = dict(field.partition("=")[::2] for field in fields)
    if set(values) - {"type", "source", "target", "readonly"} or values["type"] != "bind":
        refuse(f"invalid mount: {text}")
    source, target = Path(values["source"]), Path(values["target"])
    if not source.exists():
        refuse(
            'Error response from daemon: invalid mount config for type "bind": bind source path '
            f"does not exist: {source}"
        )
    if not target.is_absolute() or source not in (target, target.resolve()):
        refuse(f"{source} is mounted at another place: {target}")
    return target, "readonly" not in values


if __name__ == "__main__":
    sys.exit(Docker(Path(os.environ[_HOME])).main(sys.argv[1:]))
