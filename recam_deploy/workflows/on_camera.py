"""Use the camera's TPU as the emulator and the simulator are used: for a model's raw outputs."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from ..artifact import Artifact
from ..camera.checks import check_chip, product_errors
from ..camera.facts import gather_facts
from ..camera.raw_outputs import CameraTpu, open_tpu
from ..interaction import Interaction
from ..settings import Settings
from .deploy import open_camera


@contextlib.contextmanager
def tpu_of_camera(
    settings: Settings,
    interaction: Interaction,
    artifact: Artifact,
    *,
    purpose: str,
    wait: float,
    accept_host_key: bool = False,
) -> Iterator[CameraTpu]:
    """Log in, take the camera's lock, and bring the cvimodel there, for the duration of a block.

    `purpose` tells others why the lock is held; `wait` is in seconds. Raises CameraError,
    SettingsError, and InputError for a model that the camera cannot run.
    """
    check_chip(artifact)
    with (
        open_camera(settings, interaction, accept_host_key=accept_host_key) as camera,
        camera.hold_lock(purpose, wait),
    ):
        facts = gather_facts(camera.connection, camera.paths)
        for error in product_errors(facts):
            raise error
        with open_tpu(
            camera.connection,
            artifact,
            facts,
            camera.paths,
            interaction,
            settings.camera.run_timeout,
        ) as tpu:
            yield tpu
