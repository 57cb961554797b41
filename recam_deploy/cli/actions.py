"""The work behind the commands, in the order `recam up` does it; commands print what it returns."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

import onnx

from ..artifact import is_manifest
from ..conversion.calibration import read_calibration_set
from ..conversion.convert import ConversionResult, Converter, Thresholds
from ..conversion.plan import (
    DEFAULT_EXPECTED_COS,
    ConversionPlan,
    Search,
    choose_quantization,
    plan_conversion,
)
from ..conversion.step_cache import StepCache
from ..errors import CacheBusyError, InputError
from ..network.labels import read_labels
from ..network.model import Network, Preprocessing
from ..network.reading import read_network, read_raw_network
from ..progress import Progress
from ..settings import ConvertSettings, Settings
from ..toolchain import TPU_MLIR_VERSION, Compiler, ensure, ensure_docker


@dataclass(frozen=True)
class Prepared:
    """A conversion whose inputs have all been read and found good."""

    plan: ConversionPlan
    graph: onnx.ModelProto
    output: Path


def prepare_conversion(
    settings: Settings, model: Path, calibration: Path, output: Path | None, labels: Path | None
) -> Prepared:
    """Read and check everything a conversion takes, before anything is spent on it."""
    convert = settings.convert
    read = read_raw_network if convert.family == "raw" else read_network
    preprocessing = Preprocessing(convert.mean, convert.scale, convert.pixel_format)
    network, graph = read(model, read_labels(labels) if labels else (), preprocessing)
    table = _read_table(convert.quantize_table)
    quantization = choose_quantization(network, convert.quantize, table)
    target = output_path(model, output, quantization)
    pictures = read_calibration_set(calibration, convert.images)
    plan = plan_conversion(
        network,
        pictures,
        quantization=quantization,
        quantize_table=table,
        verify_images=settings.convert.verify,
        tpu_mlir=TPU_MLIR_VERSION,
        search=_search(convert, network),
    )
    return Prepared(plan, graph, target)


def _search(convert: ConvertSettings, network: Network) -> Search | None:
    """The search for mixed precision: where it was asked for, or nothing else names the layers."""
    if convert.expected_cos is None and network.float_tail:
        return None
    return Search(
        expected_cos=convert.expected_cos or DEFAULT_EXPECTED_COS,
        min_layer_cos=convert.min_layer_cos,
        images=convert.search_images,
    )


def run_conversion(settings: Settings, progress: Progress, prepared: Prepared) -> ConversionResult:
    """Install the compiler if need be, then convert."""
    compiler = find_compiler(settings, progress)
    converter = Converter(prepared.plan, prepared.graph, compiler, settings.cache_dir, progress)
    thresholds = Thresholds(settings.convert.min_cosine, settings.convert.min_matched)
    result = converter.run(prepared.output, thresholds)
    with contextlib.suppress(CacheBusyError):
        step_cache(settings).clean(max(1, settings.general.cache_limit_mb) * 1_000_000)
    return result


def find_compiler(settings: Settings, progress: Progress) -> Compiler:
    """The compiler that the settings name, installed now if it is not there."""
    install = ensure_docker if settings.general.toolchain == "docker" else ensure
    return install(settings.cache_dir, progress)


def step_cache(settings: Settings) -> StepCache:
    """The finished conversion steps of this user."""
    return StepCache(settings.cache_dir / "steps")


def _read_table(path: Path | None) -> str | None:
    """A quantization table made elsewhere: a tensor's name and BF16, F32 or INT8, a line each."""
    if path is None:
        return None
    try:
        text = path.expanduser().read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {error}", "Give a text file.") from error
    lines = [line.split() for line in text.splitlines() if line.strip() and line[0] != "#"]
    for words in lines:
        if len(words) != 2 or words[1] not in ("BF16", "F32", "INT8"):
            raise InputError(
                f"{path} is no quantization table: {' '.join(words)[:80]!r}",
                "Each line names a tensor and its type: BF16, F32 or INT8.",
            )
    if not lines:
        raise InputError(f"{path} names no tensors", "Each line names a tensor and its type.")
    return text


def output_path(model: Path, output: Path | None, quantization: str) -> Path:
    """Where the cvimodel goes. Raises InputError where it cannot."""
    target = output or Path(f"{model.stem}_{quantization}.cvimodel")
    if target.suffix != ".cvimodel":
        raise InputError(
            f"the output {target} does not end in .cvimodel",
            f"Name it {target.with_suffix('.cvimodel')}.",
        )
    if not target.parent.is_dir():
        raise InputError(f"the folder {target.parent} does not exist", "Make it first.")
    manifest = target.with_suffix(".json")
    if manifest.exists() and not is_manifest(manifest):
        raise InputError(
            f"the manifest would replace {manifest}, which is something else",
            "Choose another name for the output.",
        )
    return target
