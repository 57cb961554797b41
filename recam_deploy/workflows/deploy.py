"""Deploy a model, test it on the camera, and roll back to an earlier one.

This imports nothing that only conversions need, so that commands for the camera start quickly.
"""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ..artifact import Artifact, load_artifact
from ..camera.checks import (
    check_before_connecting,
    decoded_family,
    misreading,
    refuse_family,
    refuse_rejected,
    rejected_error,
)
from ..camera.deployment import Deployment, TrialResult, apply, in_place
from ..camera.deployment_plan import DeploymentPlan, plan_deployment
from ..camera.facts import CameraFacts, gather_facts
from ..camera.firmware import version_in
from ..camera.foreign import foreign_warnings
from ..camera.history import plan_rollback_to, read_history, read_kept
from ..camera.lock import Lock, default_owner, hold
from ..camera.paths import CameraPaths
from ..camera.smoke_test.binary import RunnerSource, find_runner
from ..camera.smoke_test.run import SmokeReport, run_smoke_test
from ..camera.smoke_test.runner import run_trial
from ..class_names import read_labels
from ..cvimodel import CviModel
from ..detection.pictures import read_picture
from ..errors import InputError
from ..interaction import Interaction
from ..settings import Settings
from ..ssh.connection import Connection
from .connect import open_connection


@dataclass(frozen=True)
class CameraContext:
    """A login on a camera, with what each step there needs."""

    settings: Settings
    interaction: Interaction
    connection: Connection
    paths: CameraPaths
    owner: str

    @classmethod
    def of(
        cls, settings: Settings, interaction: Interaction, connection: Connection
    ) -> CameraContext:
        """Derive the paths and the lock's owner. Raises SettingsError."""
        paths = CameraPaths.from_settings(settings.camera)
        return cls(settings, interaction, connection, paths, default_owner())

    @contextlib.contextmanager
    def hold_lock(self, purpose: str, wait: float) -> Iterator[Lock]:
        """Hold the camera's lock; wait at most `wait` seconds for it. Raises CameraError."""
        with hold(
            self.connection,
            self.paths.work,
            purpose,
            self.interaction,
            owner=self.owner,
            wait=wait,
        ) as lock:
            yield lock


@contextlib.contextmanager
def open_camera(
    settings: Settings, interaction: Interaction, *, accept_host_key: bool = False
) -> Iterator[CameraContext]:
    """Log in for the duration of a block. Raises CameraError, SettingsError."""
    with open_connection(settings, interaction, accept_host_key=accept_host_key) as connection:
        yield CameraContext.of(settings, interaction, connection)


def read_artifact(
    path: Path,
    labels: Path | None = None,
    *,
    interaction: Interaction,
    force: bool = True,
) -> Artifact:
    """Read a model for the camera, with the class names in the file `labels`, if any.

    Raises as `check_deployable`.
    """
    artifact = load_artifact(path, read_labels(labels) if labels else ())
    return check_deployable(artifact, interaction, force=force)


def check_deployable(
    artifact: Artifact, interaction: Interaction, *, force: bool = True
) -> Artifact:
    """Check an artifact and return it; warn of what would make its results wrong.

    Raises InputError when the camera would refuse or misread it; without `force` VerificationError
    for one that failed the check of its conversion, which may be tested but not become active.
    """
    refuse_rejected(artifact, force=force)
    for warning in check_before_connecting(artifact):
        interaction.warn(warning)
    return artifact


def plan_for(camera: CameraContext, artifact: Artifact, *, tries: bool = False) -> DeploymentPlan:
    """Gather the camera's facts and plan the deployment.

    `tries` adds the trial of the model before the switch, if some firmware decodes it. Raises
    CameraError, DeploymentError.
    """
    tries = tries and decoded_family(artifact.read().layout) is not None
    return plan_deployment(
        artifact,
        gather_facts(camera.connection, camera.paths),
        camera.paths,
        by=camera.owner,
        history=camera.settings.camera.history,
        tries=tries,
    )


def deploy_artifact(
    camera: CameraContext, artifact: Artifact, *, wait: float, tries: bool = True
) -> Deployment:
    """Deploy a model; with `tries`, run it on a grey picture before the switch, if possible.

    Takes no lock when everything is in place. Raises CameraError.
    """
    plan = plan_for(camera, artifact)
    if not plan.steps:
        return in_place(plan)
    with camera.hold_lock(f"deploying {artifact.name}", wait) as lock:
        plan = plan_for(camera, artifact, tries=tries)

        def trial(model: PurePosixPath) -> TrialResult:
            return run_trial(
                camera.connection,
                artifact,
                plan.facts,
                camera.paths,
                model,
                camera.interaction,
                timeout=camera.settings.camera.run_timeout,
            )

        return apply(plan, camera.connection, camera.interaction, lock, trial if tries else None)


@dataclass(frozen=True)
class SmokeInputs:
    """The checked inputs of a smoke test: picture, test binary, and the file to write."""

    image: Path
    runner: RunnerSource
    output: Path

    @property
    def labeled(self) -> Path:
        """The file of our own drawing, beside the camera's: Out.jpg, Out.labeled.jpg."""
        return self.output.with_suffix(f".labeled{self.output.suffix}")


def prepare_smoke_test(
    settings: Settings, image: Path, runner: Path | None, output: Path
) -> SmokeInputs:
    """Read and check the local inputs of a smoke test. Raises InputError."""
    read_picture(image)
    return SmokeInputs(image, find_runner(runner, settings.cache_dir), output)


def smoke_test(
    camera: CameraContext,
    artifact: Artifact,
    inputs: SmokeInputs,
    model: PurePosixPath | None = None,
    facts: CameraFacts | None = None,
) -> SmokeReport:
    """Run the artifact on the picture on the camera, and download the result.

    `model` is its path there; without it `run_smoke_test` finds or uploads it. The caller holds the
    lock, and may pass the `facts` gathered under it. Raises SmokeTestError.
    """
    return run_smoke_test(
        camera.connection,
        artifact,
        inputs.image,
        camera.paths,
        inputs.runner,
        inputs.output,
        inputs.labeled,
        camera.interaction,
        timeout=camera.settings.camera.run_timeout,
        model=model,
        facts=facts,
    )


def smoke_test_artifact(
    camera: CameraContext, artifact: Artifact, inputs: SmokeInputs, *, wait: float
) -> SmokeReport:
    """Take the lock, then run the smoke test. Raises CameraError."""
    with camera.hold_lock(f"testing {artifact.name}", wait):
        return smoke_test(camera, artifact, inputs)


@dataclass(frozen=True)
class TestedDeployment:
    """A deployment with its smoke test, and the seconds that each took."""

    deployment: Deployment
    report: SmokeReport
    deploy_seconds: float
    test_seconds: float


def deploy_tested(
    camera: CameraContext, artifact: Artifact, inputs: SmokeInputs, lock: Lock
) -> TestedDeployment:
    """Deploy a model if it passes the smoke test on the camera.

    A model that is active already is tested too. Raises SmokeTestError when it fails; the active
    model does not change then.
    """
    reports: list[SmokeReport] = []
    started = time.monotonic()
    tested = 0.0

    def trial(model: PurePosixPath | None) -> TrialResult:
        nonlocal tested
        began = time.monotonic()
        reports.append(smoke_test(camera, artifact, inputs, model, plan.facts))
        tested = time.monotonic() - began
        return TrialResult(True, "the model passed the smoke test before the switch")

    plan = plan_for(camera, artifact, tries=True)
    deployment = apply(plan, camera.connection, camera.interaction, lock, trial)
    if not reports:
        trial(None)
    return TestedDeployment(deployment, reports[0], time.monotonic() - started - tested, tested)


def plan_rollback(camera: CameraContext, to: str | None, *, force: bool = False) -> DeploymentPlan:
    """Plan the rollback to an earlier model; `to` is the beginning of its id or sha256.

    A model that failed the check of its conversion is refused, unless with `force`. Raises
    CameraError, DeploymentError, VerificationError.
    """
    return _plan_rollback_to(camera, to, force=force)[0]


def roll_back(
    camera: CameraContext, to: str | None, *, wait: float, force: bool = False
) -> tuple[Deployment, str]:
    """Roll back to an earlier model; return the deployment, and the model's name and id.

    Raises as `plan_rollback`.
    """
    with camera.hold_lock("rolling back", wait) as lock:
        plan, title = _plan_rollback_to(camera, to, force=force)
        return apply(plan, camera.connection, camera.interaction, lock), title


def _plan_rollback_to(
    camera: CameraContext, to: str | None, *, force: bool
) -> tuple[DeploymentPlan, str]:
    found = read_history(camera.connection, camera.paths)
    entry = found.choose(to)
    if entry.rejected and not force:
        raise rejected_error(entry.name or entry.id)
    plan = plan_rollback_to(found, entry, camera.paths, camera.settings.camera.history)
    if plan.restored:
        layout = functools.cache(lambda: read_kept(camera.connection, camera.paths, entry))
        # Staging finds a damaged file by its hash, and says so.
        with contextlib.suppress(InputError):
            refuse_family(entry.family, layout, version_in(found.facts.firmware))
            if not entry.family:
                _warn_of_foreign(camera.interaction, entry.name or entry.id, layout())
    return plan, f"{entry.name or 'the model'} ({entry.id})"


def _warn_of_foreign(interaction: Interaction, name: str, layout: CviModel) -> None:
    """Warn of a model that recam did not convert. It was active before, so it is not refused."""
    for reason in (*foreign_warnings(layout), misreading(layout, ())):
        if reason:
            interaction.warn(
                f"{name}: {reason}" if reason.startswith("its") else f"{name} {reason}"
            )
