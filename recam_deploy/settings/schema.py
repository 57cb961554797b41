"""Define all settings, and load them from recam.toml and the environment.

Flags override the environment, which overrides the file and the defaults. Unknown keys are refused.
The file is `$RECAM_SETTINGS`, else `recam.toml` in the working folder, else the user's own. Each of
its tables is one class below, which reads the environment under its own prefix: `[camera] host` is
RECAM_HOST, `[convert] images` is RECAM_CONVERT_IMAGES. `settings.profiles` reads several cameras.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PositiveInt,
    ValidationError,
)

from ..address import Address, parse_address
from ..errors import SettingsError
from ..folders import expanded, user_cache, user_config, user_data
from ..redaction import keep_secret
from . import profiles
from .camera import ADDRESS, CameraSettings, Section, bounded, overlay, refuse_plain_tls, with_host
from .file import FILE_NAME, SettingsFile, find_file, is_local, nearest, read_file
from .trust import CERTIFICATE, LocalFile, digest_of

__all__ = ["FILE_NAME", "CameraSettings", "ConvertSettings", "Settings", "load_settings"]


def _split(value: Any) -> Any:
    """Split text at commas, as flags and the environment give lists; pass other values on."""
    if not isinstance(value, str):
        return value
    return [part.strip() for part in value.split(",") if part.strip()]


def _nested(value: Any) -> Any:
    """Parse `[[1,3,640,640]]`, as the compiler writes it, or one shape without brackets."""
    return [_split(value.strip("[] "))] if isinstance(value, str) else value


def _square(value: Any) -> Any:
    """Double a single number, which means a square."""
    sides = _split(str(value) if isinstance(value, int) else value)
    return sides * 2 if isinstance(sides, list) and len(sides) == 1 else sides


def _host_alone(value: Any) -> Any:
    """Return the plain host of an address."""
    return parse_address(value).host if isinstance(value, str) else value


_PlainHost = Annotated[str, BeforeValidator(_host_alone)]
_Share = Annotated[float, Field(ge=0, le=1)]
_Words = Annotated[tuple[str, ...], BeforeValidator(_split)]
# The compiler's scripts paste these into a command line for a shell.
_Tensor = Annotated[str, Field(pattern=r"^[A-Za-z0-9_/][A-Za-z0-9_./:+-]*$")]
_Tensors = Annotated[tuple[_Tensor, ...], BeforeValidator(_split)]
_Triple = Annotated[tuple[float, float, float], BeforeValidator(_split)]
_Tolerance = Annotated[tuple[_Share, _Share], BeforeValidator(_split)]
_Sides = Annotated[tuple[PositiveInt, PositiveInt], BeforeValidator(_split)]
_Size = Annotated[tuple[PositiveInt, PositiveInt], BeforeValidator(_square)]
_Shapes = Annotated[tuple[tuple[PositiveInt, ...]], BeforeValidator(_nested)]


class ConvertSettings(Section):
    """The settings of a conversion, and the least agreement with the float model.

    Names are those of the compiler's tools where there is one; README.md here explains each.
    """

    prefix: ClassVar[str] = "RECAM_CONVERT_"

    # Pictures, and our own check.
    dataset: Path | None = None
    data_list: Path | None = None
    images: Annotated[int | None, bounded("convert.images")] = None
    verify: Annotated[int, bounded("convert.verify")] = 1
    min_cosine: Annotated[float, bounded("convert.min_cosine")] = 0.9
    min_matched: Annotated[float, bounded("convert.min_matched")] = 0.75

    # Precision.
    quantize: Literal["auto", "int8", "bf16", "f16", "mixed"] = "auto"
    quantize_table: Path | None = None
    calibration_table: Path | None = None
    calibrator: Literal["fast", "stock"] = "fast"
    tune_num: Annotated[int, bounded("convert.tune_num")] = 5
    histogram_bin_num: Annotated[int, bounded("convert.histogram_bin_num")] = 2048
    int8_outputs: bool = False

    # The accuracy on labelled pictures.
    data: Path | None = None
    max_drop: Annotated[float | None, bounded("convert.max_drop")] = None

    # The search for mixed precision.
    expected_cos: Annotated[float | None, bounded("convert.expected_cos")] = None
    search: Literal["auto", "recam", "run_qtable"] = "auto"
    min_layer_cos: Annotated[float | None, bounded("convert.min_layer_cos")] = None
    max_float_layers: Annotated[int | None, bounded("convert.max_float_layers")] = None
    search_images: Annotated[int, bounded("convert.search_images")] = 10
    fp_type: Literal["auto", "BF16"] = "auto"
    global_compare_layers: _Tensors = ()
    debug_cmd: str = Field(default="", pattern=r"^[A-Za-z0-9_=;.]*$")
    loss_table: Path | None = None

    # The network and what it takes.
    family: Literal["auto", "raw"] = "auto"
    model_name: str = Field(default="network", pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.+-]{0,63}$")
    input_shapes: _Shapes | None = None
    imgsz: _Size | None = None
    input_types: Annotated[tuple[Literal["float32"]], BeforeValidator(_split)] = ("float32",)
    output_names: _Words = ()
    resize_dims: _Sides | None = None
    keep_aspect_ratio: bool = True
    mean: _Triple = (0.0, 0.0, 0.0)
    scale: _Triple = (1 / 255, 1 / 255, 1 / 255)
    pixel_format: Literal["rgb", "bgr"] = "rgb"
    channel_format: Literal["auto", "nchw", "nhwc"] = "auto"

    # The compiler's own checks, which run when there is a picture for them.
    paranoid: bool = False
    test_input: Path | None = None
    test_result: Path | None = None
    transform_tolerance: _Tolerance = (0.99, 0.99)
    transform_excepts: _Tensors = ()
    tolerance: _Tolerance = (0.8, 0.5)
    excepts: _Tensors = ()
    compare_all: bool = False
    skip_validation: bool = False
    op_divide: bool = False


class DiscoverSettings(Section):
    """The fixed addresses that `recam discover` checks ("" for none), and its times in seconds.

    `interface` is the address of the network interface to use for mDNS; None for all.
    """

    prefix: ClassVar[str] = "RECAM_DISCOVER_"

    usb: _PlainHost = "192.168.42.1"
    access_point: _PlainHost = "192.168.16.1"
    interface: str | None = None
    seconds: Annotated[float, bounded("discover.seconds")] = 3.0
    connect_timeout: Annotated[float, bounded("discover.connect_timeout")] = 1.0


class GeneralSettings(Section):
    """The settings outside of any table."""

    prefix: ClassVar[str] = "RECAM_"

    cache_dir: Path | None = None
    toolchain: Literal["local", "docker"] = "local"
    cache_limit_mb: Annotated[int, bounded("general.cache_limit_mb")] = 4000
    secrets_in_file: bool = False
    log: Path | None = None


class Settings(BaseModel):
    """All settings of one command."""

    model_config = ConfigDict(frozen=True)

    camera: CameraSettings
    convert: ConvertSettings
    discover: DiscoverSettings
    general: GeneralSettings
    file: Path | None
    profile: str | None = None

    tables: ClassVar[Mapping[str, type[Section]]] = {
        "camera": CameraSettings,
        "convert": ConvertSettings,
        "discover": DiscoverSettings,
    }

    @property
    def cache_dir(self) -> Path:
        """The folder of downloads, the toolchain and finished conversion steps.

        Raises SettingsError where none is named and the user has no home.
        """
        return expanded(self.general.cache_dir or user_cache()).absolute()

    def with_flags(self, **tables: Mapping[str, Any]) -> Settings:
        """Return these settings, overridden by the flags that are not None.

        Raises SettingsError when a flag's value is out of range.
        """
        changed: dict[str, Any] = {}
        for table, flags in tables.items():
            section = getattr(self, table)
            given = {name: value for name, value in flags.items() if value is not None}
            if not given:
                continue
            if isinstance(section, CameraSettings):
                given = overlay(section.given, with_host(given, "--{}".format))
            else:
                given = dict(section) | given
            changed[table] = _validated(type(section), table, given, "the command line")
            if table == "camera" and flags.get("host") is None:
                changed[table] = changed[table].with_ssh(section.ssh)
            if table == "camera":
                changed[table].come_from(_unless_named(section.local, flags))
                refuse_plain_tls(changed[table], flags)
        return self.model_copy(update=changed)


def default_known_hosts() -> Path:
    """Return recam's own known-hosts file, used unless the settings name one."""
    return user_config() / "known_hosts"


def default_flow_backups() -> Path:
    """Return the folder for backups of flows, used unless the settings name one."""
    return user_data() / "flows"


def load_settings(
    environment: Mapping[str, str] | None = None,
    camera: str | None = None,
    flags: Mapping[str, Any] | None = None,
) -> Settings:
    """Read the settings file, if any, and the environment; `flags` override the camera's.

    `camera` names one of the file's cameras, as `--camera` does, and overrides RECAM_CAMERA. The
    table of a camera named so overrides the environment, which may be meant for another one.

    Raises SettingsError for a named file that is missing, is not TOML, or holds an unknown key, a
    value of the wrong type, or a refused secret; for an unknown camera, and for a flag's value that
    is out of range.
    """
    environment = os.environ if environment is None else environment
    path = find_file(environment)
    file = read_file(path) if path else SettingsFile()
    general = {key: value for key, value in file.document.items() if key not in Settings.tables}
    loose = _section(GeneralSettings, "", general, path, environment)
    profile = camera or environment.get(profiles.VARIABLE) or None
    chosen = profiles.choose(
        _table(file.document, "camera", path),
        file,
        environment,
        profile,
        insisted=loose.secrets_in_file,
    )
    for name, values in chosen.tables.items():
        _check_file(CameraSettings, name, values, path)
    document = {**file.document, "camera": chosen.values}
    overridden = chosen.own if camera else {}
    left = {key: value for key, value in environment.items() if not _sets_field(key, overridden)}
    for field, value in chosen.secrets.items():
        left[CameraSettings.prefix + field.upper()] = value
    sections: dict[str, Any] = {
        name: _section(cls, name, _table(document, name, path), path, left)
        for name, cls in Settings.tables.items()
    }
    for field in profiles.SECRETS:
        if secret := getattr(sections["camera"], field):
            keep_secret(secret)
    if path and is_local(path, environment):
        sections["camera"].come_from(_local_file(path, document["camera"], left))
    loaded = Settings(**sections, general=loose, file=path, profile=profile)
    return loaded.with_flags(camera=flags) if flags else loaded


def _local_file(path: Path, table: Mapping[str, Any], environment: Mapping[str, str]) -> LocalFile:
    """Say what the working folder's file decides; the environment comes before it."""
    decides = {
        field
        for field in ("host", "known_hosts", *CERTIFICATE, *profiles.SECRETS)
        if table.get(field) is not None and not _variable(CameraSettings, field, environment)
    }
    return LocalFile(
        path=path,
        digest=digest_of(table),
        host="host" in decides,
        known_hosts="known_hosts" in decides,
        certificate=bool(decides & set(CERTIFICATE)),
        own=frozenset(decides & set(profiles.SECRETS)),
    )


def _unless_named(file: LocalFile | None, flags: Mapping[str, Any]) -> LocalFile | None:
    """Take away what flags name: that is no longer the file's decision."""
    if file is None:
        return None
    named = {field for field, value in flags.items() if value is not None}
    return dataclasses.replace(
        file,
        host=file.host and "host" not in named,
        known_hosts=file.known_hosts and "known_hosts" not in named,
        certificate=file.certificate and not named & set(CERTIFICATE),
        own=file.own - named,
    )


def _sets_field(variable: str, fields: Mapping[str, Any]) -> bool:
    """Return whether an environment variable sets one of these fields of the camera."""
    name = variable.replace("NODERED", "NODE_RED")
    return any(name == CameraSettings.prefix + field.upper() for field in fields)


_S = TypeVar("_S", bound=Section)


def _table(document: Mapping[str, Any], name: str, path: Path | None) -> Mapping[str, Any]:
    found = document.get(name, {})
    if not isinstance(found, Mapping):
        raise SettingsError(f"`{name}` in {path} must be a table", f"Write it as [{name}].")
    return found


def _section(
    cls: type[_S],
    table: str,
    values: Mapping[str, Any],
    path: Path | None,
    environment: Mapping[str, str],
) -> _S:
    _check_file(cls, table, values, path)
    found = {field: _variable(cls, field, environment) for field in cls.model_fields}
    variables = {field: name for field, name in found.items() if name}
    given = {field: environment[name] for field, name in variables.items()}
    if issubclass(cls, CameraSettings):
        both = overlay(values, with_host(given, variables.__getitem__))
    else:
        both = {**values, **given}
    return _validated(cls, table, both, variables)


def _check_file(
    cls: type[Section], table: str, values: Mapping[str, Any], path: Path | None
) -> None:
    """Raise SettingsError for an unknown key or an invalid value in a table of the file."""
    for key in values:
        if key not in cls.model_fields and not isinstance(values[key], Address):
            raise _unknown_key(table, key, str(path))
    _validated(cls, table, values, str(path))


def _variable(cls: type[Section], field: str, environment: Mapping[str, str]) -> str | None:
    """Find the variable that sets a field; Node-RED's may begin with RECAM_NODERED_."""
    name = cls.prefix + field.upper()
    spelled = (name, name.replace("NODE_RED", "NODERED"))
    return next((one for one in spelled if environment.get(one)), None)


def _validated(
    cls: type[_S], table: str, values: Mapping[str, Any], where: str | Mapping[str, str]
) -> _S:
    """Build a table from values; `where` names their origin, of all or by field.

    Raises SettingsError for an invalid value.
    """
    try:
        section = cls(**values)
    except ValidationError as error:
        raise _invalid(error, table, where) from error
    if isinstance(section, CameraSettings) and ADDRESS in values:
        section.remember(values[ADDRESS])
    return section


def _unknown_key(table: str, key: str, where: str) -> SettingsError:
    known = {
        f"{name}.{field}" for name, cls in Settings.tables.items() for field in cls.model_fields
    }
    known |= set(GeneralSettings.model_fields) | set(Settings.tables)
    if table.startswith("camera."):
        known |= {f"{table}.{field}" for field in CameraSettings.model_fields}
    full = f"{table}.{key}" if table else key
    near = nearest(full, known)
    return SettingsError(
        f"unknown setting `{full}` in {where}",
        f"The nearest known one is `{near}`." if near else "Remove it.",
    )


def _invalid(error: ValidationError, table: str, where: str | Mapping[str, str]) -> SettingsError:
    """Return the first error on one line, without the value, which may be a secret."""
    first = error.errors(include_input=False, include_url=False)[0]
    key = ".".join(str(part) for part in (table, *first["loc"]) if part)
    origin = where if isinstance(where, str) else where[str(first["loc"][0])]
    return SettingsError(
        f"setting `{key}` from {origin} is invalid: {first['msg']}", "Correct it there."
    )
