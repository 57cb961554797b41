"""Explain failures of the compiler's tools: what they print, the cause, and what to do.

The patterns match output of tpu_mlir 1.7. Its scripts start `tpuc-opt` through a shell, so a signal
that ends it appears only as the shell's message (`Killed`, `Segmentation fault`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from ..errors import CompilationError, RecamError, ToolchainError

_SIGKILL_CODES = (-9, 137)
_SIGSEGV_CODES = (-11, 139)

# Lines that explain nothing: stack dumps, frames of a traceback, progress bars, echoed commands.
_NOISE = re.compile(
    r"^\s*#\d+ 0x|^Stack dump|^\d+\.\s|^PLEASE submit|^\s*File \"|^Traceback|^\s{4}"
    r"|[\d?](?:it/s|s/it)|^\[Running\]|^\[Success\]|\[!Error\]: tpuc-opt|^=+-*=+$|^Aborted$|^usage:"
    r"|^The above exception"
)
_KEPT_LINES = 3
_LINE_LENGTH = 200


@dataclass(frozen=True)
class Failure:
    """A known failure. `pattern` is searched in a tool's output; `{1}` is its first group."""

    pattern: str
    cause: str
    hint: str
    error: type[RecamError] = CompilationError


_REINSTALL = "Run `recam toolchain remove` and `recam toolchain install`."
_LESS_MEMORY = (
    "Close other programs, use fewer calibration images (`--images`), or a machine or container "
    "with more memory."
)
_PICTURES = (
    "Check the pictures in the calibration folder: each must be a complete JPEG, PNG or BMP file."
)

# Failures to start any tool; also checked after installing.
START_FAILURES = (
    Failure(
        r"version `(GLIBC_[\d.]+)' not found",
        "a library needs {1}, which this system's C library does not have",
        "The compiler was installed on another system, or LD_PRELOAD is set. " + _REINSTALL,
        ToolchainError,
    ),
    Failure(
        r"version `((?:GLIBCXX|CXXABI|GCC)_[\d.]+)' not found",
        "a library needs {1}, which this system's C++ runtime does not have",
        "Use a Linux with libgcc and libstdc++ of GCC 11 or later (Ubuntu 22.04, Debian 12).",
        ToolchainError,
    ),
    Failure(
        r"(?:error while loading shared libraries: |ImportError: )([^\s:]+): cannot open shared",
        "the shared library {1} is missing",
        "Install it with the system's package manager (libtinfo.so.6 is in `libtinfo6` on Debian "
        "and Ubuntu, `ncurses-libs` on Fedora), or run `recam toolchain install` again.",
        ToolchainError,
    ),
    Failure(
        r"([^\s/]+): cannot enable executable stack",
        "this system refuses {1}, which demands an executable stack",
        _REINSTALL,
        ToolchainError,
    ),
    Failure(
        r"ModuleNotFoundError: No module named '([^']+)'",
        "its environment lacks the module {1}",
        _REINSTALL,
        ToolchainError,
    ),
    Failure(
        r"tpuc-opt: (?:command )?not found",
        "its environment lacks the program tpuc-opt",
        _REINSTALL,
        ToolchainError,
    ),
)

# Output of `docker` itself (Docker CLI and Engine 20.10 to 28).
DOCKER_FAILURES = (
    Failure(
        r"permission denied while trying to connect to the [Dd]ocker",
        "you may not use Docker's socket",
        "Add yourself to its group (`sudo usermod -aG docker $USER`), log out and in again; or set "
        "up rootless Docker.",
        ToolchainError,
    ),
    Failure(
        r"Cannot connect to the Docker daemon|failed to connect to the docker API"
        r"|Is the docker daemon running|error during connect:",
        "the Docker daemon is not running",
        "Start Docker Desktop, or run `sudo systemctl start docker`. If your daemon is elsewhere, "
        "set DOCKER_HOST or run `docker context use`.",
        ToolchainError,
    ),
    Failure(
        r"exec format error|no matching manifest for linux/|does not match the specified platform",
        "this Docker cannot run linux/amd64 images",
        "On Docker Desktop allow emulation (Settings, General: Rosetta or QEMU). On Linux run once "
        "`docker run --privileged --rm tonistiigi/binfmt --install amd64`.",
        ToolchainError,
    ),
    Failure(
        r"(?i)mounts denied|bind (?:mount )?source path does not exist",
        "Docker cannot reach the folder that recam works in",
        "The daemon must run on this machine. Share the folder with it (Docker Desktop: Settings, "
        "Resources, File sharing), or set RECAM_CACHE_DIR and TMPDIR to folders in your home.",
        ToolchainError,
    ),
    Failure(
        r"No such image: |Unable to find image '",
        "the image with the compiler has been removed",
        "Run this again, to build it again.",
        ToolchainError,
    ),
    Failure(
        r"(?is)Error response from daemon:.*no space left on device|failed to (?:register|extract)"
        r" layer.*no space left on device",
        "Docker's disk is full",
        "Free space with `docker system prune`, or give Docker Desktop a larger disk.",
        ToolchainError,
    ),
)

TOOL_FAILURES = (
    Failure(
        r"\[([^\]\n]+)\]\s+NOT_\w+\s+\[FAILED\](?s:.*)npz compare FAILED",
        "its own check, which --paranoid (or `test_input`) switches on, found {1} too far from the "
        "reference",
        "This check is an extra one. Leave --paranoid (or `test_input`) out: recam then still "
        "compares the finished cvimodel with the float model (--min-cosine, --min-matched). To "
        "keep it, set `tolerance` or `excepts` in recam.toml.",
    ),
    Failure(
        r"(?i)no space left on device",
        "there is no space left on the disk",
        "Free space: the work folder takes about ten times the size of the ONNX file.",
    ),
    Failure(
        r"MemoryError|std::bad_alloc|Unable to allocate|Create No\. \d+ thread error",
        "there is not enough memory",
        _LESS_MEMORY,
    ),
    Failure(
        r"(?m)^Killed\b",
        "the system killed it, most likely because memory ran out",
        _LESS_MEMORY,
    ),
    Failure(
        r"Unsupported model IR version: (\d+)",
        "it cannot read ONNX files of IR version {1}",
        "Export the model with opset 17 and IR version 8 (`recam convert` lowers it by itself).",
    ),
    Failure(
        r"Op not support:\{(.+?)\}",
        "it cannot translate these operators: {1}",
        "Export the model without them (another opset or exporter), or cut them off its end.",
    ),
    Failure(
        r"No Op registered for (\w+) with domain_version of (\d+)",
        "it does not know the operator {1} in the model's opset",
        "Export the model with opset 17.",
    ),
    Failure(
        r"Current official support for domain ai\.onnx is till opset (\d+)",
        "it cannot read ONNX files of an opset above {1}",
        "Export the model with opset 17 and IR version 8 (`recam convert` lowers it by itself).",
    ),
    Failure(
        r"DecodeError|Protobuf parsing failed|InvalidProtobuf",
        "the file is damaged or is not an ONNX file",
        "Export the model again.",
    ),
    Failure(
        r"There is no inputs",
        "the calibration folder or list has no pictures",
        "Give a folder with pictures (jpg, jpeg, jfif, png, bmp).",
    ),
    Failure(
        r"(?m)^(.+) doesn't existed !!!",
        "the calibration picture {1} does not exist",
        _PICTURES,
    ),
    Failure(
        r"'NoneType' object has no attribute 'shape'",
        "a calibration picture cannot be read",
        _PICTURES,
    ),
    Failure(
        r"(?m)^RuntimeError: File illegal:(.+)",
        "the calibration list names {1}, which is not a picture",
        _PICTURES,
    ),
    Failure(
        r"can't open calibration table file",
        "the calibration table is missing",
        "Calibrate first (run_calibration), or give the path of a table.",
    ),
    Failure(
        r"argument --chip/--processor: invalid choice: '([^']+)'",
        "it does not know the chip {1}",
        "The reCamera's chip is cv181x.",
    ),
    Failure(
        r"failed to find tensor (\S+) to read",
        "the weights file lacks {1}: it belongs to another network, or is incomplete",
        "Start again from model_transform in an empty work folder.",
    ),
    Failure(
        r"ExecutableNotFound.*'dot'|failed to execute .*'dot'",
        "it cannot find `dot`, which the compiler's environment replaces",
        _REINSTALL,
        ToolchainError,
    ),
    Failure(
        r"FileNotFoundError: \[Errno 2\] No such file or directory: '([^']+)'",
        "the file {1} does not exist",
        "Start again from the first step in an empty work folder.",
    ),
    Failure(
        r"Segmentation fault",
        "it crashed (segmentation fault)",
        "Usually the network has something that the compiler does not expect. Export it "
        "simplified, with opset 17 and fixed shapes. If it still crashes, report it with the log.",
    ),
    Failure(
        r"error: (?:the following arguments|unrecognized arguments|argument )(.+)",
        "it was started with wrong arguments:{1}",
        "This is a bug in recam: please report it with the log.",
    ),
)


def explain(tool: str, returncode: int, output: str, log: Path) -> RecamError:
    """Return the error of a `tool` that failed: a known cause and its remedy, or its last lines.

    `output` is all that it printed, and `log` the file that holds it.
    """
    for failure in (*START_FAILURES, *DOCKER_FAILURES, *TOOL_FAILURES):
        if match := re.search(failure.pattern, output):
            return _error(tool, failure, match, log)
    if returncode in _SIGKILL_CODES:
        return _by_signal(tool, "Killed", log)
    if returncode in _SIGSEGV_CODES:
        return _by_signal(tool, "Segmentation fault", log)
    lines = last_lines(output)
    ending = f": {lines}" if lines else " and printed nothing"
    return CompilationError(
        f"{tool} ended with exit code {returncode}{ending}", f"Its whole output is in {log}."
    )


def _error(tool: str, failure: Failure, match: re.Match[str], log: Path) -> RecamError:
    group = match[1] if match.re.groups else ""
    return failure.error(
        f"{tool} failed: {failure.cause.replace('{1}', group.strip())}",
        f"{failure.hint} Its whole output is in {log}.",
    )


def _by_signal(tool: str, word: str, log: Path) -> RecamError:
    for failure in TOOL_FAILURES:
        if match := re.search(failure.pattern, word):
            return _error(tool, failure, match, log)
    raise ValueError(f"no known failure matches {word!r}")


def start_failure(output: str, fallback: str) -> ToolchainError:
    """Return the error for a compiler that was installed and does not start."""
    for failure in START_FAILURES:
        if match := re.search(failure.pattern, output):
            cause = failure.cause.replace("{1}", match[1] if match.re.groups else "")
            return ToolchainError(f"the compiler does not start here: {cause}", failure.hint)
    return ToolchainError(
        f"the compiler does not start here: {last_lines(output) or fallback}",
        "It needs an ordinary Linux x86-64 with glibc: Ubuntu 22.04 or later, Debian 12 or later.",
    )


def last_lines(output: str) -> str:
    """Join the last lines of `output` that explain something by " / "."""
    lines = output.replace("\r", "\n").splitlines()
    useful = [line.strip() for line in lines if line.strip() and not _NOISE.search(line)]
    return " / ".join(line[:_LINE_LENGTH] for line in useful[-_KEPT_LINES:])
