"""The compiler in a Docker container: one container for each program, gone when it has ended.

A container sees the work folder, at the same place as here, and single files to read; no network,
no more rights than the user's own.
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

from .. import process
from ..errors import ProcessError, ToolchainError
from ..files import copy_atomically
from .compiler import Call
from .layout import THREAD_SETTINGS, TPU_MLIR_VERSION, Toolchain
from .python310 import Run

DOCKER = "docker"

# The wheel holds x86-64 programs only: an Arm machine's Docker emulates them.
PLATFORM = "linux/amd64"

# The compiler as it lies inside the image.
INSIDE = Toolchain.at(Path("/opt/recam-toolchain"))

_REMOVE_SECONDS = 60.0


@dataclass(frozen=True)
class Engine:
    """What of the Docker engine changes the command line: `user` ("uid:gid") for a container whose
    files shall be the user's, and more `options` of `docker run`."""

    user: str
    options: tuple[str, ...] = ()

    @classmethod
    def with_security(cls, security: Sequence[str], uid: int, gid: int) -> Engine:
        """For an engine whose `docker info` lists the options `security`, such as "name=rootless".

        Rootless Docker maps the user to the container's root; a daemon with userns-remap would map
        every user to one that may not write here; SELinux keeps containers out of the user's files.
        (docs.docker.com: engine/security/rootless, userns-remap; `docker run --security-opt`.)
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
    """The compiler in `image`, which is there; see `Compiler`. `run` starts `docker`."""

    image: str
    engine: Engine
    version: str = TPU_MLIR_VERSION
    run: Run = field(default=process.run, compare=False, repr=False)

    @property
    def python(self) -> Path:
        """Its interpreter, inside the container."""
        return INSIDE.python

    def script(self, tool: str) -> Path:
        """The file of a tool, inside the container."""
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
        """The `docker run` that runs `words` in `work_dir`, in a container called `name`.

        `work_dir` is mounted to be written, each file of `reads` to be read, all at the paths that
        they have here. Of `environ` the container gets what sets the number of threads.
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
        """See `Compiler.calling`.

        Links in `work_dir` that lead out of it are replaced by copies of their files, for the
        container cannot follow them. When the block is left the container is removed, whatever
        became of the `docker` that started it.
        """
        bring_in(work_dir)
        name = f"recam-{os.getpid()}-{secrets.token_hex(4)}"
        command = self.words(words, work_dir, name=name, reads=reads, environ=environ)
        try:
            yield Call(command, dict(environ))
        finally:
            # After a normal end --rm has removed it, and this finds nothing.
            with contextlib.suppress(ProcessError):
                self.run([DOCKER, "rm", "--force", name], env=environ, timeout=_REMOVE_SECONDS)


def _mount(source: Path, target: Path, *options: str) -> str:
    """The value of `--mount`, which is a line of CSV: a path may hold commas and quotes."""
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(
        ["type=bind", f"source={source}", f"target={target}", *options]
    )
    return line.getvalue()


def bring_in(folder: Path) -> None:
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
                    f"{source} could not be copied to where the container sees it: "
                    f"{error.strerror}",
                    f"Look at its permissions, and at the free space of {folder}.",
                ) from error
