"""Offer the use cases to other programs; `recam_deploy` exports all of them.

Each function takes the arguments of its command, under the same names, and raises RecamError where
the command would end with exit code 1. Arguments override the environment, which overrides
recam.toml, which overrides the defaults.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from .artifact import Artifact, load_artifact
from .camera.deployment import Deployment
from .camera.smoke_test.run import SmokeReport
from .errors import SettingsError
from .flows.push import PushResult
from .interaction import Interaction, NoInteraction
from .settings import Settings, load_settings
from .workflows import WAIT_SECONDS
from .workflows.connect import with_ssh_config
from .workflows.deploy import (
    check_deployable,
    deploy_artifact,
    open_camera,
    prepare_smoke_test,
    read_artifact,
    smoke_test_artifact,
)

if TYPE_CHECKING:
    from .conversion.convert import ConversionResult
    from .workflows.convert import PreparedConversion
    from .workflows.evaluate import EvaluationResult
    from .workflows.inspect import Inspection
    from .workflows.up import UpResult
    from .workflows.verify import VerifyResult

AnyPath: TypeAlias = "str | os.PathLike[str]"


class Camera:
    """A camera: its address, the login, and the `interaction` that answers questions.

    Arguments left out come from the environment and recam.toml; `name` chooses one of the file's
    cameras. `accept_host_key` trusts a host key that is not known yet. `options` are further
    settings of the `[camera]` table, such as `node_red_port`.

    Raises SettingsError when a value is not valid, or no camera is named.
    """

    def __init__(
        self,
        host: str | None = None,
        *,
        user: str | None = None,
        password: str | None = None,
        key: AnyPath | None = None,
        port: int | None = None,
        name: str | None = None,
        accept_host_key: bool = False,
        interaction: Interaction | None = None,
        **options: Any,
    ) -> None:
        flags = {
            "host": host,
            "user": user,
            "password": password,
            "key": key,
            "port": port,
            **options,
        }
        self.settings = with_ssh_config(load_settings(camera=name, flags=flags))
        self.accept_host_key = accept_host_key
        self.interaction = interaction or NoInteraction()
        if not self.settings.camera.host:
            raise SettingsError(
                "no camera is named", "Give Camera(host=…), RECAM_HOST, or `host` in recam.toml."
            )

    def __repr__(self) -> str:
        camera = self.settings.camera
        return f"Camera({camera.host!r}, user={camera.user!r}, port={camera.port})"


def inspect(model: AnyPath) -> Inspection:
    """Read a model file, without running any of its code.

    Returns a CviModel, an OnnxModel or a FrameworkModel. Raises InputError.
    """
    from .workflows import inspect as workflow

    return workflow.inspect(Path(model))


def convert(
    model: AnyPath,
    *,
    calibration: AnyPath | None = None,
    output: AnyPath | None = None,
    quantize: str | None = None,
    labels: AnyPath | None = None,
    weights: AnyPath | None = None,
    trust_model: bool = False,
    interaction: Interaction | None = None,
    **options: Any,
) -> ConversionResult:
    """Convert a model to a cvimodel, checked against the float model in the TPU simulator.

    `calibration` is a folder of pictures, a data.yaml or a list; `options` are further settings of
    the `[convert]` table: with `data`, the accuracy is in the manifest too. The artifact is
    `result.artifact`. Raises RecamError.
    """
    from .workflows.convert import run_conversion
    from .workflows.evaluate import measure_conversion

    settings = _convert_settings(calibration, quantize, options)
    person = interaction or NoInteraction()
    prepared = _prepare(settings, person, model, output, labels, weights, trust=trust_model)
    result = run_conversion(settings, person, prepared)
    return measure_conversion(settings, person, prepared, result)[0]


def verify(
    artifact: AnyPath | Artifact,
    images: AnyPath,
    *,
    model: AnyPath | None = None,
    report: AnyPath | None = None,
    limit: int = 20,
    layer_images: int = 0,
    interaction: Interaction | None = None,
) -> VerifyResult:
    """Compare a cvimodel with its float model on pictures (as for `convert`); write an HTML report.

    `layer_images` above 0 also measures each layer, on so many pictures. Raises RecamError.
    """
    from .workflows import verify as workflow

    return workflow.verify(
        load_settings(),
        interaction or NoInteraction(),
        artifact if isinstance(artifact, Artifact) else load_artifact(Path(artifact)),
        Path(images),
        model=_path(model),
        report=_path(report),
        limit=limit,
        layer_images=layer_images,
    )


def evaluate(
    artifact: AnyPath | Artifact,
    data: AnyPath,
    *,
    split: str | None = None,
    limit: int | None = None,
    model: AnyPath | None = None,
    report: AnyPath | None = None,
    coco: AnyPath | None = None,
    jobs: int | None = None,
    scheduler: str | None = None,
    max_drop: float | None = None,
    interaction: Interaction | None = None,
) -> EvaluationResult:
    """Measure the float model and the cvimodel on labelled pictures, by the emulator.

    The figures are `result.evaluation.as_json()`; the manifest has them afterwards. A script that
    calls this needs `if __name__ == "__main__":`, as processes share the work. Raises RecamError;
    an AccuracyError where more than `max_drop` is lost.
    """
    from .workflows.evaluate import EvaluationOptions, run_evaluation

    options = EvaluationOptions(
        Path(data),
        split,
        limit,
        report=_path(report),
        coco=_path(coco),
        jobs=jobs,
        scheduler=scheduler,
    )
    result = run_evaluation(
        load_settings(),
        interaction or NoInteraction(),
        artifact if isinstance(artifact, Artifact) else load_artifact(Path(artifact)),
        options,
        model=_path(model),
    )
    result.evaluation.check(max_drop)
    return result


def deploy(
    artifact: AnyPath | Artifact,
    camera: Camera,
    *,
    tries: bool = True,
    force: bool = False,
    wait: float = WAIT_SECONDS,
) -> Deployment:
    """Make a model the active one on the camera; with `tries`, load and run it there once before.

    A model that failed the check of its conversion is refused, unless with `force`. Wait at most
    `wait` seconds for another recam that holds the camera's lock. Raises RecamError; the active
    model then stays the one before.
    """
    model = _artifact(artifact, camera.interaction, force=force)
    with open_camera(
        camera.settings, camera.interaction, accept_host_key=camera.accept_host_key
    ) as context:
        return deploy_artifact(context, model, wait=wait, tries=tries)


def smoke_test(
    artifact: AnyPath | Artifact,
    camera: Camera,
    image: AnyPath,
    *,
    output: AnyPath = "Out.jpg",
    runner: AnyPath | None = None,
    wait: float = WAIT_SECONDS,
) -> SmokeReport:
    """Run a model on one picture on the camera's TPU, and fetch the result.

    Boxes are in pixels of `image`. Writes the camera's own drawing to `output`. Raises RecamError.
    """
    model = _artifact(artifact, camera.interaction)
    inputs = prepare_smoke_test(camera.settings, Path(image), _path(runner), Path(output))
    with open_camera(
        camera.settings, camera.interaction, accept_host_key=camera.accept_host_key
    ) as context:
        return smoke_test_artifact(context, model, inputs, wait=wait)


def push_flow(
    camera: Camera,
    *,
    template: str = "preview",
    flow: AnyPath | None = None,
    artifact: AnyPath | Artifact | None = None,
    tscore: float | None = None,
    tiou: float | None = None,
    line: str | None = None,
    send_to: Sequence[str] = (),
    mqtt_topic: str | None = None,
    http_url: str | None = None,
) -> PushResult:
    """Add a template, or the file `flow`, to the camera's Node-RED, and start it.

    Keeps a backup of the flows before: `recam flow restore` puts them back. Raises RecamError.
    """
    from .flows.templates import Parameters
    from .workflows import flows as workflow

    parameters = Parameters(
        line=line, send_to=tuple(send_to), mqtt_topic=mqtt_topic, http_url=http_url
    )
    choice = workflow.choose_flow(None if flow else template, _path(flow), parameters)
    model = _artifact(artifact, camera.interaction) if artifact is not None else None
    settings, person = camera.settings, camera.interaction
    connection = workflow.LazyConnection(settings, person, accept_host_key=camera.accept_host_key)
    with connection, workflow.node_red(settings, person) as client:
        target = workflow.wanted_flow(
            settings, choice, connection, client, artifact=model, tscore=tscore, tiou=tiou
        )
        pushed = workflow.push_and_wait(
            settings,
            person,
            client,
            target,
            connection,
            approve=workflow.warn_of_overwriting(person),
            restart=True,
        )
    if pushed.problem:
        raise pushed.problem
    return pushed


def up(
    model: AnyPath,
    camera: Camera,
    image: AnyPath,
    *,
    calibration: AnyPath | None = None,
    output: AnyPath = "Out.jpg",
    model_output: AnyPath | None = None,
    quantize: str | None = None,
    labels: AnyPath | None = None,
    weights: AnyPath | None = None,
    trust_model: bool = False,
    runner: AnyPath | None = None,
    template: str | None = "preview",
    wait: float = WAIT_SECONDS,
    **options: Any,
) -> UpResult:
    """Convert a model, test it on the camera, make it the active one, and show it live.

    `template=None` leaves Node-RED alone; `options` are settings of the `[convert]` table. Raises
    RecamError; a PartlyDoneError means that the model is in place but not live.
    """
    from .workflows.flows import choose_flow
    from .workflows.up import run_up

    choice = choose_flow(template, None) if template else None
    settings = _convert_settings(calibration, quantize, options, camera.settings)
    smoke = prepare_smoke_test(settings, Path(image), _path(runner), Path(output))
    prepared = _prepare(
        settings, camera.interaction, model, model_output, labels, weights, trust=trust_model
    )
    result = run_up(
        settings,
        camera.interaction,
        prepared,
        smoke,
        accept_host_key=camera.accept_host_key,
        flow=choice,
        wait=wait,
    )
    if result.outcome.problem:
        raise result.outcome.problem
    return result


def _prepare(
    settings: Settings,
    interaction: Interaction,
    model: AnyPath,
    output: AnyPath | None,
    labels: AnyPath | None,
    weights: AnyPath | None,
    *,
    trust: bool,
) -> PreparedConversion:
    from .workflows.convert import prepare_conversion
    from .workflows.export import as_onnx

    source = as_onnx(settings, interaction, Path(model), _path(weights), trust=trust)
    return prepare_conversion(
        settings, source.onnx, _path(output), _path(labels), source.export, interaction
    )


def _convert_settings(
    calibration: AnyPath | None,
    quantize: str | None,
    options: Mapping[str, Any],
    base: Settings | None = None,
) -> Settings:
    flags = {"dataset": _path(calibration), "quantize": quantize, **options}
    return (base or load_settings()).with_flags(convert=flags)


def _artifact(
    given: AnyPath | Artifact, interaction: Interaction, *, force: bool = True
) -> Artifact:
    """Return a deployable artifact: read from a path, or checked when it was read already."""
    if isinstance(given, Artifact):
        return check_deployable(given, interaction, force=force)
    return read_artifact(Path(given), interaction=interaction, force=force)


def _path(given: AnyPath | None) -> Path | None:
    return None if given is None else Path(given)
