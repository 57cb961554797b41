"""What the tests of Docker share: making the image with the stand-in, and its complaints."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from recam_deploy.toolchain.docker import DockerToolchain
from recam_deploy.toolchain.docker_image import ensure_docker

from .docker_stand_in import StandIn
from .fakes import Recorder

DAEMON = "Cannot connect to the Docker daemon at unix:///x.sock. Is the docker daemon running?"
SOCKET = (
    "permission denied while trying to connect to the Docker daemon socket at unix:///x.sock: "
    'Get "http://x/v1.47/info": dial unix /x.sock: connect: permission denied'
)


def ensured(docker: StandIn, cache: Path, progress: Recorder | None = None) -> DockerToolchain:
    return ensure_docker(cache, progress or Recorder(), environ=docker.environ)


def values(words: Sequence[str], option: str) -> list[str]:
    return [value for word, value in pairwise(words) if word == option]
