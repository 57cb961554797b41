"""Run the compiler in Docker: one container for each program, removed when it ends.

A container has the work folder at the same path as this machine, single files to read, no network,
and no more rights than the user.
"""

from __future__ import annotations

import contextlib
import csv
import io
import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import ProcessError, ToolchainError
from ..files import copy_atomically
from ..process import run
from .compiler import Call
from .local import THREAD_SETTINGS, TPU_MLIR_VERSION, Toolchain
from .python310 import Run

DOCKER = "docker"

# The wheel holds x86-64 programs only; Docker on an Arm machine emulates them.
PLATFORM = "linux/amd64"

# The compiler's paths inside the image.
INSIDE = Toolchain.at(Path("/opt/recam-toolchain"))

_REMOVE_SECONDS = 60.0


@dataclass(frozen=True)
class Engine:
    """The part of the command line that depends on the Docker engine.

    With `user` ("uid:gid"), the files that a container writes are the user's own. `options` are
    further options of `docker run`.
    """

    user: str
    options: tuple[str, ...] = ()

    @classmethod
    def with_security(cls, security: Sequence[str], uid: int, gid: int) -> Engine:
        """Choose user and options from the security options that `docker info` lists.

        One of them is for instance "name=rootless". Rootless Docker maps the user to the
        container's root; a daemon with userns-remap would map every user to one that may not write
        here; SELinux keeps containers out of the user's files. (docs.docker.com:
        engine/security/rootless, userns-remap; `docker run --security-opt`.)
        """
        names = {part for option in security for part in option.split(",")}
        rootless = "name=rootless" in names
        options: tuple[str, ...] = ()
        if "name=userns" in names and not rootless:
            options += ("--userns", "host")
        if "name=selinux" in names:
            options += ("--security-opt", "label=disable")
        return cls("0:0" if rootless else f"{uid}:{gid}", options)


@dataclass(frozen=True)
class DockerToolchain:
    """The compiler in `image`, which exists; see `Compiler`. `run` starts `docker`."""

    image: str
    engine: Engine
    version: str = TPU_MLIR_VERSION
    run: Run = field(default=run, compare=False, repr=False)

    @property
    def python(self) -> Path:
        """Return the path of its interpreter inside the container."""
        return INSIDE.python

    def script(self, tool: str) -> Path:
        """Return the path of a tool's script inside the container."""
        return INSIDE.script(tool)

    def words(
        self,
        words: Sequence[str | Path],
        work_dir: Path,
        *,
        name: str,
        reads: Sequence[Path] = (),
        environ: Mapping[str, str] | None = None,
    ) -> tuple[str, ...]:
        """Build the `docker run` that runs `words` in `work_dir`, in a container called `name`.

        `work_dir` is mounted writable, each file of `reads` read-only, all at their paths on this
        machine. The container inherits from `environ` the variables for the number of threads.
        """
        place = work_dir.absolute()
        mounts = [_mount(place, place)]
        for file in dict.fromkeys(path.absolute() for path in reads):
            if not file.is_relative_to(place):
                mounts.append(_mount(file.resolve(), file, "readonly"))
        inherited = sorted(key for key in environ or () if key.startswith(THREAD_SETTINGS))
        return (
            *(DOCKER, "run", "--rm", "--init", "--name", name, "--pull", "never"),
            *("--platform", PLATFORM, "--network", "none", "--user", self.engine.user),
            *("--cap-drop", "ALL", "--security-opt", "no-new-privileges"),
            *self.engine.options,
            *(part for mount in mounts for part in ("--mount", mount)),
            *("--workdir", str(place)),
            *(part for key in inherited for part in ("--env", key)),
            self.image,
            *(str(word) for word in words),
        )

    @contextlib.contextmanager
    def calling(
        self,
        words: Sequence[str | Path],
        work_dir: Path,
        environ: Mapping[str, str],
        reads: Sequence[Path] = (),
    ) -> Iterator[Call]:
        """Implement `Compiler.calling`.

        Links in `work_dir` to files outside it are replaced by copies, for the container cannot
        follow them. When the block ends the container is removed, even if its `docker` was killed.
        """
        copy_linked_files(work_dir)
        name = f"recam-{os.getpid()}-{secrets.token_hex(4)}"
        command = self.words(words, work_dir, name=name, reads=reads, environ=environ)
        try:
            yield Call(command, dict(environ))
        finally:
            # After a normal end, --rm has removed the container already.
            with contextlib.suppress(ProcessError):
                self.run([DOCKER, "rm", "--force", name], env=environ, timeout=_REMOVE_SECONDS)


def _mount(source: Path, target: Path, *options: str) -> str:
    """Write the value of `--mount`, a line of CSV: a path may hold commas and quotes."""
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(
        ["type=bind", f"source={source}", f"target={target}", *options]
    )
    return line.getvalue()


def copy_linked_files(folder: Path) -> None:
    """Replace the links in `folder` to files outside it by copies of those files.

    Raises ToolchainError when one cannot be copied.
    """
    inside = folder.resolve()
    for link in [path for path in folder.rglob("*") if path.is_symlink()]:
        source = link.resolve()
        if source.is_file() and not source.is_relative_to(inside):
            try:
                copy_atomically(source, link)
            except OSError as error:
                raise ToolchainError(
                    f"{source} could not be copied into the container's work folder: "
                    f"{error.strerror}",
                    f"Check its permissions, and the free space of {folder}.",
                ) from error
