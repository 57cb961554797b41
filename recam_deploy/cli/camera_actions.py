"""What commands do on a camera they are logged in to; commands print what it returns.

Nothing here needs what conversions need, so that commands for the camera start quickly.
"""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ..artifact import Artifact
from ..camera.deployment import Deployment, TrialResult, apply, in_place
from ..camera.facts import CameraFacts, gather_facts
from ..camera.lock import Lock, default_owner, hold
from ..camera.paths import CameraPaths
from ..camera.plan import DeploymentPlan, plan_deployment
from ..camera.smoke_test.binary import RunnerSource, find_runner
from ..camera.smoke_test.run import SmokeReport, run_smoke_test
from ..camera.smoke_test.runner import try_loading
from ..detection.pictures import read_picture
from ..progress import Progress
from ..settings import Settings
from ..ssh.connection import Connection


def plan_for(
    connection: Connection, settings: Settings, artifact: Artifact, *, tries: bool = False
) -> DeploymentPlan:
    """Look at the camera and plan what has to be done there."""
    paths = CameraPaths.from_settings(settings.camera)
    return plan_deployment(
        artifact,
        gather_facts(connection, paths),
        paths,
        by=default_owner(),
        history=settings.camera.history,
        tries=tries,
    )


def at_work(
    connection: Connection, settings: Settings, purpose: str, progress: Progress, wait: float
) -> AbstractContextManager[Lock]:
    """Hold the camera's lock while a block runs."""
    paths = CameraPaths.from_settings(settings.camera)
    return hold(connection, paths.work, purpose, progress, wait=wait)


def deploy_artifact(
    connection: Connection,
    settings: Settings,
    artifact: Artifact,
    progress: Progress,
    *,
    wait: float,
    tries: bool = True,
) -> Deployment:
    """Put a model in place, tried on a grey picture first where `tries` and the camera can.

    Where all is in place already nothing is done, and no lock asked for.
    """
    plan = plan_for(connection, settings, artifact)
    if not plan.steps:
        return in_place(plan)
    paths = CameraPaths.from_settings(settings.camera)
    with at_work(connection, settings, f"deploying {artifact.name}", progress, wait) as lock:
        plan = plan_for(connection, settings, artifact, tries=tries)

        def trial(model: PurePosixPath) -> TrialResult:
            seconds = settings.camera.run_timeout
            return try_loading(
                connection, artifact, plan.facts, paths, model, progress, timeout=seconds
            )

        return apply(plan, connection, progress, lock, trial if tries else None)


@dataclass(frozen=True)
class SmokeInputs:
    """A smoke test whose inputs on this side have been checked."""

    image: Path
    runner: RunnerSource
    output: Path

    @property
    def labeled(self) -> Path:
        """Our own picture, beside the camera's: Out.jpg, Out.labeled.jpg."""
        return self.output.with_suffix(f".labeled{self.output.suffix}")


def prepare_smoke_test(
    settings: Settings, image: Path, runner: Path | None, output: Path
) -> SmokeInputs:
    """Read and check what a smoke test takes from this side."""
    read_picture(image)
    return SmokeInputs(image, find_runner(runner, settings.cache_dir), output)


def smoke_test(
    connection: Connection,
    settings: Settings,
    artifact: Artifact,
    inputs: SmokeInputs,
    progress: Progress,
    model: PurePosixPath | None = None,
    facts: CameraFacts | None = None,
) -> SmokeReport:
    """Run the artifact on the picture on the camera and bring the result back.

    `model` is where it lies there; without, it is looked for. The caller holds the lock, and may
    have gathered `facts` under it.
    """
    return run_smoke_test(
        connection,
        artifact,
        inputs.image,
        CameraPaths.from_settings(settings.camera),
        inputs.runner,
        inputs.output,
        inputs.labeled,
        progress,
        timeout=settings.camera.run_timeout,
        model=model,
        facts=facts,
    )


@dataclass(frozen=True)
class Tested:
    """A deployment with the smoke test that let it pass, and the seconds that each took."""

    deployment: Deployment
    report: SmokeReport
    deploy_seconds: float
    test_seconds: float


def deploy_tested(
    connection: Connection,
    settings: Settings,
    artifact: Artifact,
    inputs: SmokeInputs,
    progress: Progress,
    lock: Lock,
) -> Tested:
    """Put a model in place once it has passed the smoke test on the camera.

    A model that is in place already is tested as it is. Raises SmokeTestError when it fails: the
    active model is then what it was.
    """
    reports: list[SmokeReport] = []
    started = time.monotonic()
    tested = 0.0

    def trial(model: PurePosixPath | None) -> TrialResult:
        nonlocal tested
        began = time.monotonic()
        found = smoke_test(connection, settings, artifact, inputs, progress, model, plan.facts)
        reports.append(found)
        tested = time.monotonic() - began
        return TrialResult(True, "the model passed the smoke test before the switch")

    plan = plan_for(connection, settings, artifact, tries=True)
    deployment = apply(plan, connection, progress, lock, trial)
    if not reports:
        trial(None)
    return Tested(deployment, reports[0], time.monotonic() - started - tested, tested)
