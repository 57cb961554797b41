"""Turn the user's settings into the options of a conversion.

Tables and pictures are read and checked here, before any step runs.
"""

from __future__ import annotations

from pathlib import Path

from ..artifact import sha256_of
from ..detection.pictures import read_picture
from ..errors import InputError
from ..files import read_text
from ..folders import expanded
from ..mixed_precision.options import (
    DEFAULT_EXPECTED_COS,
    DEFAULT_MIN_LAYER_COS,
    AccuracyGoal,
    SearchOptions,
)
from ..network.model import Network, Preprocessing
from ..progress import Progress
from ..settings import ConvertSettings
from ..step_cache import StepCache
from ..toolchain import read_calibration_table
from .calibration import CalibrationSet, read_calibration_set, read_data_list
from .options import (
    CalibrationOptions,
    CheckPicture,
    ConversionOptions,
    DeployOptions,
    TransformOptions,
)


def preprocessing_of(convert: ConvertSettings) -> Preprocessing:
    """Return the preprocessing that the settings give a raw network."""
    return Preprocessing(
        mean=convert.mean,
        scale=convert.scale,
        pixel_format=convert.pixel_format,
        keep_aspect_ratio=convert.keep_aspect_ratio,
        resize_dims=convert.resize_dims,
    )


def check_channel_format(convert: ConvertSettings, network: Network) -> None:
    """Raise InputError where `channel_format` is not that of the model's input."""
    found = "nhwc" if network.input.channels_last else "nchw"
    if convert.channel_format not in ("auto", found):
        raise InputError(
            f"channel_format is {convert.channel_format}, and the model's input is {found}",
            "Leave channel_format out: it is read from the model.",
        )


def read_pictures(
    convert: ConvertSettings, cache: StepCache | None = None, progress: Progress | None = None
) -> CalibrationSet:
    """Choose the calibration pictures of the list `data_list`, else of `dataset`, and read them.

    Raises InputError when neither is named, and as `read_calibration_set`.
    """
    if convert.data_list:
        return read_data_list(expanded(convert.data_list), convert.images, cache, progress)
    if convert.dataset is None:
        raise InputError(
            "no calibration pictures are named",
            "Give a folder of 50 to 200 pictures like those the camera will see: "
            "--calibration FOLDER.",
        )
    return read_calibration_set(expanded(convert.dataset), convert.images, cache, progress)


def read_options(
    convert: ConvertSettings, network: Network, pictures: CalibrationSet, data: str = ""
) -> ConversionOptions:
    """Return all options, and read the files that they name.

    `data` is the digest of the labelled pictures, if there are any. Raises InputError for a table
    or picture that cannot be used, and when there are fewer pictures than `verify`.
    """
    count = len(pictures.pictures)
    if convert.verify > count:
        raise InputError(
            f"{convert.verify} pictures are to be verified, and there are only {count}",
            "Add pictures to the calibration folder, or lower --verify.",
        )
    return ConversionOptions(
        transform=TransformOptions(
            model_name=convert.model_name,
            test_input=_check_picture(convert, pictures),
            tolerance=convert.transform_tolerance,
            excepts=convert.transform_excepts,
        ),
        calibration=CalibrationOptions(
            calibrator=convert.calibrator,
            tune_num=convert.tune_num,
            histogram_bin_num=convert.histogram_bin_num,
            table=_read_calibration_table(convert.calibration_table),
        ),
        search=_search(convert, network, data),
        deploy=DeployOptions(
            op_divide=convert.op_divide,
            int8_outputs=convert.int8_outputs,
            tolerance=convert.tolerance,
            compare_all=convert.compare_all,
            excepts=convert.excepts,
            skip_validation=convert.skip_validation,
        ),
        quantize_table=_read_quantize_table(convert.quantize_table),
        verify_images=convert.verify,
    )


def _search(convert: ConvertSettings, network: Network, data: str) -> SearchOptions | None:
    """Return the options of the search; None where the network's float tail names the layers.

    Raises InputError for parameters of run_qtable when recam is to search.
    """
    goal = _goal(convert, data)
    if convert.expected_cos is None and network.float_tail and goal is None:
        return None
    its_own = {
        "min_layer_cos": convert.min_layer_cos is not None,
        "global_compare_layers": bool(convert.global_compare_layers),
        "debug_cmd": bool(convert.debug_cmd),
    }
    given = [name for name, is_given in its_own.items() if is_given]
    if convert.search == "recam" and given:
        raise InputError(
            f"{given[0]} is a parameter of run_qtable, and recam is to search",
            f'Leave {given[0]} out, or set search = "run_qtable".',
        )
    by_compiler = convert.search == "run_qtable" or bool(given)
    if goal and by_compiler:
        raise InputError(
            "run_qtable cannot search for an accuracy",
            'Leave max_drop out, or set search = "recam" and leave the parameters of run_qtable '
            "out.",
        )
    return SearchOptions(
        expected_cos=convert.expected_cos or DEFAULT_EXPECTED_COS,
        images=convert.search_images,
        max_float_layers=convert.max_float_layers,
        accuracy=goal,
        by_compiler=by_compiler,
        min_layer_cos=convert.min_layer_cos or DEFAULT_MIN_LAYER_COS,
        fp_type=convert.fp_type,
        global_compare_layers=convert.global_compare_layers,
        debug_cmd=convert.debug_cmd,
    )


def _goal(convert: ConvertSettings, data: str) -> AccuracyGoal | None:
    """Return the accuracy that a search aims at, where mixed precision was asked for."""
    if convert.quantize != "mixed" or convert.max_drop is None or not data:
        return None
    return AccuracyGoal(convert.max_drop, data)


def _check_picture(convert: ConvertSettings, pictures: CalibrationSet) -> CheckPicture | None:
    """Read the picture for the compiler's own checks, by default the first; None without checks."""
    if convert.test_input is None and not convert.paranoid:
        return None
    path = expanded(convert.test_input or pictures.paths[0])
    read_picture(path)
    return CheckPicture(path, sha256_of(path))


def _read_calibration_table(path: Path | None) -> str | None:
    """Read an existing calibration table; the step that uses it compares it with the network."""
    if path is None:
        return None
    path = expanded(path)
    if not path.is_file():
        raise InputError(f"{path} does not exist", "Give a calibration table.")
    text = read_text(path, "a calibration table")
    read_calibration_table(path)
    return text


def _read_quantize_table(path: Path | None) -> str | None:
    """Read an existing quantization table: on each line a tensor's name and BF16, F32 or INT8."""
    if path is None:
        return None
    text = read_text(expanded(path), "a quantization table")
    lines = [line.split() for line in text.splitlines() if line.strip() and line.lstrip()[0] != "#"]
    for words in lines:
        if len(words) != 2 or words[1] not in ("BF16", "F32", "INT8"):
            raise InputError(
                f"{path} is no quantization table: {' '.join(words)[:80]!r}",
                "Each line names a tensor and its type: BF16, F32 or INT8.",
            )
    if not lines:
        raise InputError(f"{path} names no tensors", "Each line names a tensor and its type.")
    return text
