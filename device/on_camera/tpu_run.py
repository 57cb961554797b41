#!/usr/bin/env python3
"""Run a cvimodel: on the camera's TPU, or bit for bit in the tpu_mlir wheel's simulator.

Both are a ``libcviruntime.so`` with the same C interface (sophgo/cviruntime
``include/cviruntime.h``), found through the loader's search path or named with ``--library``.
This file needs the standard library of Python 3.9 alone, so it runs on the camera as it stands.

    python3 tpu_run.py MODEL {--info | --input A.bin --input B.bin --output-dir OUT}
    python3 tpu_run.py MODEL --packed IN.bin --packed-output OUT.bin

An input file holds the raw bytes of one input tensor, in the model's own type and layout (for a
camera model: RGB, uint8, [1, H, W, 3]), with or without the padding of ``aligned`` rows; a model
with k inputs takes k files an image. Output t of image i is ``OUT/<i>/<t>.bin``. A packed file
holds many images, one after another; all outputs go into one file, image by image.

Standard output carries exactly one JSON document, standard error the library's own log. A failure's
last line there is ``tpu_run: ...``, the exit code 1. A damaged model can make the library abort.
"""

from __future__ import annotations

import argparse
import ctypes
import hashlib
import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Sequence

    Document = dict[str, object]

LIBRARY = "libcviruntime.so"
HEADER_BYTES = 48
# Of cv181x: DEFAULT_ALIGN of sophgo/osdrv interdrv/vpss, and the compiler's VPSS_W_ALIGN.
ROW_ALIGNMENT = 64
MAGIC = b"CviModel"

# CVI_FMT
FORMATS = ("float32", "int32", "uint32", "bfloat16", "int16", "uint16", "int8", "uint8")

# CVI_NN_PIXEL_FORMAT_E, those a model's input can have.
PIXEL_FORMATS = {0: "RGB_PACKED", 1: "BGR_PACKED", 2: "RGB_PLANAR", 3: "BGR_PLANAR"}
PIXEL_FORMATS |= {11: "YUV_NV12", 12: "YUV_NV21", 13: "YUV_420_PLANAR"}
PIXEL_FORMATS |= {15: "GRAYSCALE", 100: "TENSOR"}

# CVI_RC: 0xC0000000 | module 0x77 << 16 | error level 4 << 13 | id (cvitpu_debug.h).
RETURN_CODES = {
    -1: "CVI_RC_FAILURE",
    0xC0778003: "CVI_RC_INVALID_ARG",
    0xC0778007: "CVI_RC_UNINIT",
    0xC0778008: "CVI_RC_UNSUPPORT",
    0xC077800C: "CVI_RC_NOMEM",
    0xC0778010: "CVI_RC_AGAIN",
    0xC0778012: "CVI_RC_BUSY",
    0xC0778015: "CVI_RC_TIMEOUT",
    0xC0778016: "CVI_RC_DATA_ERR",
}


class Shape(ctypes.Structure):
    """CVI_SHAPE."""

    _fields_ = [("dim", ctypes.c_int32 * 6), ("dim_size", ctypes.c_size_t)]


class Tensor(ctypes.Structure):
    """CVI_TENSOR. The same on every 64-bit target; checked against the library in use."""

    _fields_ = [
        ("name", ctypes.c_char_p),
        ("shape", Shape),
        ("format", ctypes.c_int),
        ("count", ctypes.c_size_t),
        ("mem_size", ctypes.c_size_t),
        ("sys_mem", ctypes.c_void_p),
        ("paddr", ctypes.c_uint64),
        ("mem_type", ctypes.c_int),
        ("qscale", ctypes.c_float),
        ("zero_point", ctypes.c_int),
        ("pixel_format", ctypes.c_int),
        ("aligned", ctypes.c_bool),
        ("mean", ctypes.c_float * 3),
        ("scale", ctypes.c_float * 3),
        ("owner", ctypes.c_void_p),
        ("reserved", ctypes.c_char * 32),
    ]


class RunError(Exception):
    """A failure; its text is what the user sees after ``tpu_run:``."""


def code_name(code: int) -> str:
    """Name a CVI_RC: ``CVI_RC_NOMEM (0xc077800c)``."""
    name = RETURN_CODES.get(code) or RETURN_CODES.get(code & 0xFFFFFFFF) or "unknown code"
    return f"{name} (0x{code & 0xFFFFFFFF:08x})"


def check_header(model: Path, *, whole: bool = True) -> None:
    """Refuse what is no whole cvimodel; unless ``whole``, look at the magic only. Raises RunError.

    Header: magic, u32 body size, u8 major, minor, md5 of all after it, chip name, padding.
    """
    digest = hashlib.md5(usedforsecurity=False)
    try:
        with model.open("rb") as stream:
            header = stream.read(HEADER_BYTES)
            while chunk := stream.read(1 << 20):
                digest.update(chunk)
    except OSError as error:
        raise RunError(f"cannot read the model {model}: {error.strerror}") from error
    if len(header) < HEADER_BYTES or not header.startswith(MAGIC):
        raise RunError(f"{model} is not a cvimodel")
    if whole and digest.digest() != header[14:30]:
        raise RunError(f"{model} is truncated or damaged: its md5 is not the header's")


def load_library(name: str) -> ctypes.CDLL:
    """Load libcviruntime and declare the functions used. Raises RunError."""
    try:
        library = ctypes.CDLL(name)
    except OSError as error:
        raise RunError(f"cannot load {name}: {error}") from error
    handle, number = ctypes.c_void_p, ctypes.POINTER(ctypes.c_int32)
    one, tensors = ctypes.POINTER(Tensor), ctypes.POINTER(ctypes.POINTER(Tensor))
    signatures: dict[str, tuple[Any, list[Any]]] = {
        "CVI_NN_RegisterModel": (ctypes.c_int, [ctypes.c_char_p, ctypes.POINTER(handle)]),
        "CVI_NN_SetConfig": (ctypes.c_int, [handle, ctypes.c_int]),  # and the option's value
        "CVI_NN_GetModelVersion": (ctypes.c_int, [handle, number, number]),
        "CVI_NN_GetModelTarget": (ctypes.c_char_p, [handle]),
        "CVI_NN_GetInputOutputTensors": (ctypes.c_int, [handle, tensors, number, tensors, number]),
        "CVI_NN_Forward": (ctypes.c_int, [handle, one, ctypes.c_int32, one, ctypes.c_int32]),
        "CVI_NN_CleanupModel": (ctypes.c_int, [handle]),
        "CVI_NN_TensorPtr": (ctypes.c_void_p, [one]),
        "CVI_NN_TensorSize": (ctypes.c_size_t, [one]),
        "CVI_NN_TensorCount": (ctypes.c_size_t, [one]),
        "CVI_NN_TensorQuantScale": (ctypes.c_float, [one]),
    }
    for function, (result, arguments) in signatures.items():
        try:
            entry = getattr(library, function)
        except AttributeError as error:
            raise RunError(f"{name} has no {function}: not a cviruntime library") from error
        entry.restype = result
        entry.argtypes = arguments
    return library


def loaded_path(name: str) -> str:
    """Return where the loader found the library, from the process's own memory map."""
    try:
        maps = Path("/proc/self/maps").read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return name
    paths = (line.split(maxsplit=5)[-1] for line in maps.splitlines())
    return next((path for path in paths if Path(path).name == Path(name).name), name)


class Model:
    """A cvimodel registered with the runtime, which owns its tensors' memory.

    With `every_tensor` the outputs are all tensors, by name; nothing uses their memory again.
    """

    def __init__(self, library: ctypes.CDLL, path: Path, every_tensor: bool = False) -> None:
        self.library = library
        self.handle = ctypes.c_void_p()
        code = library.CVI_NN_RegisterModel(os.fsencode(path), ctypes.byref(self.handle))
        if code != 0:
            raise RunError(f"loading the model failed: {code_name(code)}")
        if every_tensor:  # OPTION_OUTPUT_ALL_TENSORS
            library.CVI_NN_SetConfig(self.handle, 4, ctypes.c_int(1))
        inputs, outputs = ctypes.POINTER(Tensor)(), ctypes.POINTER(Tensor)()
        input_count, output_count = ctypes.c_int32(), ctypes.c_int32()
        self.tensors = (inputs, input_count, outputs, output_count)
        code = library.CVI_NN_GetInputOutputTensors(self.handle, *map(ctypes.byref, self.tensors))
        if code != 0:
            raise RunError(f"preparing the model failed: {code_name(code)}")
        self.inputs = [inputs[i] for i in range(input_count.value)]
        self.outputs = [outputs[i] for i in range(output_count.value)]
        for tensor in (*self.inputs, *self.outputs):
            self._check_layout(tensor)

    def _check_layout(self, tensor: Tensor) -> None:
        """Compare the structure as read here with what the library's own functions say."""
        ref, library = ctypes.byref(tensor), self.library
        same = (
            tensor.count == library.CVI_NN_TensorCount(ref)
            and tensor.mem_size == library.CVI_NN_TensorSize(ref)
            and tensor.qscale == library.CVI_NN_TensorQuantScale(ref)
            and 0 <= tensor.format < len(FORMATS)
            and tensor.shape.dim_size <= len(tensor.shape.dim)
        )
        if not same:
            raise RunError("this libcviruntime.so lays out CVI_TENSOR in another way")

    def version(self) -> str:
        parts = ctypes.c_int32(), ctypes.c_int32()
        self.library.CVI_NN_GetModelVersion(self.handle, *map(ctypes.byref, parts))
        return ".".join(str(part.value) for part in parts)

    def chip(self) -> str:
        target: bytes | None = self.library.CVI_NN_GetModelTarget(self.handle)
        return (target or b"").decode("ascii", "replace")

    def pointer(self, tensor: Tensor) -> int:
        address: int | None = self.library.CVI_NN_TensorPtr(ctypes.byref(tensor))
        if not address:
            raise RunError("a tensor has no memory that the processor can reach")
        return address

    def fill(self, tensor: Tensor, data: bytes, file: Path) -> None:
        """Copy one input, read from a file, into a tensor; pad its rows where the tensor's are.

        Raises RunError when it has neither the tensor's size nor that of its elements.
        """
        if tensor.aligned:
            data = pad_rows(data, tensor)
        if len(data) != tensor.mem_size:
            takes = f"the input {tensor_name(tensor)} takes {tensor.mem_size}"
            raise RunError(f"{file} has {len(data)} bytes, {takes}")
        ctypes.memmove(self.pointer(tensor), data, len(data))

    def forward(self) -> float:
        """Run one inference. Returns milliseconds."""
        start = time.perf_counter()
        code = self.library.CVI_NN_Forward(self.handle, *self.tensors)
        elapsed = (time.perf_counter() - start) * 1000.0
        if code != 0:
            raise RunError(f"the forward pass failed: {code_name(code)}")
        return elapsed

    def output_bytes(self) -> list[bytes]:
        """Return the raw bytes of each output."""
        return [ctypes.string_at(self.pointer(one), one.mem_size) for one in self.outputs]

    def write_outputs(self, folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for index, data in enumerate(self.output_bytes()):
                (folder / f"{index}.bin").write_bytes(data)
        except OSError as error:
            raise RunError(f"cannot write to {folder}: {error.strerror}") from error

    def close(self) -> None:
        self.library.CVI_NN_CleanupModel(self.handle)


def pad_rows(data: bytes, tensor: Tensor) -> bytes:
    """Pad each row of pixels to the next multiple of 64 bytes, as video frames come.

    `data` holds the elements of [1, H, W, C] (packed) or [1, C, H, W] (planar), one byte each.
    Whatever has another size, or does not come to the tensor's size, is returned as it is.
    """
    dims = tensor.shape.dim[: tensor.shape.dim_size]
    if len(dims) != 4 or len(data) != tensor.count:
        return data
    row = dims[2] * dims[3] if dims[3] in (1, 3) else dims[3]
    padding = bytes(-row % ROW_ALIGNMENT)
    padded = b"".join(data[at : at + row] + padding for at in range(0, len(data), row))
    return padded if len(padded) == tensor.mem_size else data


def tensor_name(tensor: Tensor) -> str:
    return (tensor.name or b"").decode("utf-8", "backslashreplace")


def describe(tensor: Tensor) -> Document:
    """Describe a tensor: its integers are (value - zero_point) * ``qscale`` in floats."""
    return {
        "name": tensor_name(tensor),
        "shape": list(tensor.shape.dim[: tensor.shape.dim_size]),
        "dtype": FORMATS[tensor.format],
        "bytes": tensor.mem_size,
        "count": tensor.count,
        "qscale": tensor.qscale,
        "zero_point": tensor.zero_point,
        "pixel_format": PIXEL_FORMATS.get(tensor.pixel_format, str(tensor.pixel_format)),
        "aligned": tensor.aligned,
    }


def run(model: Model, files: Sequence[Path], options: argparse.Namespace) -> list[Document]:
    """Run every image and write its outputs. Returns one record an image."""
    per_image = len(model.inputs)
    total, left_over = divmod(len(files), per_image)
    if left_over:
        raise RunError(f"{len(files)} input files given; the model takes {per_image} an image")
    images: list[Document] = []
    for index in range(total):
        group = files[index * per_image : (index + 1) * per_image]
        times = []
        for _ in range(options.repeat):
            # Refilled each time: the runtime may reuse the input's memory during a pass.
            for position, tensor in enumerate(model.inputs):
                model.fill(tensor, read_input(group[position]), group[position])
            times.append(round(model.forward(), 3))
        folder = options.output_dir / str(index)
        model.write_outputs(folder)
        outputs = [str(folder / f"{i}.bin") for i in range(len(model.outputs))]
        inputs = [str(file) for file in group]
        images.append({"index": index, "inputs": inputs, "outputs": outputs, "forward_ms": times})
        if options.progress:
            print(f"tpu_run: image {index + 1}/{total}", file=sys.stderr, flush=True)
    return images


def read_input(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise RunError(f"cannot read the input {file}: {error.strerror}") from error


def run_packed(model: Model, source: Path, target: Path, progress: bool) -> list[Document]:
    """Run every image of one file, and write all outputs to another. Returns one record an image.

    The images are read one at a time: a camera has little memory.
    """
    inputs = [(one, one.count if one.aligned else one.mem_size) for one in model.inputs]
    image_bytes = sum(size for _, size in inputs)
    images: list[Document] = []
    try:
        total, left_over = divmod(source.stat().st_size, image_bytes)
        if left_over or not total:
            raise RunError(f"{source} holds no whole images of {image_bytes} bytes")
        with source.open("rb") as given, target.open("wb") as made:
            for index in range(total):
                for tensor, size in inputs:
                    model.fill(tensor, given.read(size), source)
                images.append({"index": index, "forward_ms": [round(model.forward(), 3)]})
                for data in model.output_bytes():
                    made.write(data)
                if progress:
                    print(f"tpu_run: image {index + 1}/{total}", file=sys.stderr, flush=True)
    except OSError as error:
        where = error.filename or target
        raise RunError(f"cannot use {where}: {error.strerror}") from error
    return images


def read_list(source: str) -> list[Path]:
    """Read input paths, one a line; ``-`` reads standard input."""
    try:
        text = sys.stdin.read() if source == "-" else Path(source).read_text(encoding="utf-8")
    except OSError as error:
        raise RunError(f"cannot read the list {source}: {error.strerror}") from error
    return [Path(line) for line in text.splitlines() if line]


def execute(options: argparse.Namespace) -> Document:
    """Load, run, describe: the whole job as one JSON-ready document. Raises RunError."""
    files: list[Path] = list(options.input)
    if options.inputs_list:
        files += read_list(options.inputs_list)
    if not options.info and not files and not options.packed:
        raise RunError("nothing to run: give --input, --inputs-list, --packed or --info")
    if bool(options.packed) != bool(options.packed_output) or (files and options.packed):
        raise RunError("--packed goes with --packed-output, and not with other inputs")
    if files and options.output_dir is None:
        raise RunError("--output-dir is missing")
    if options.repeat < 1:
        raise RunError("--repeat must be at least 1")
    check_header(options.model, whole=not options.damaged)
    library = load_library(options.library)
    start = time.perf_counter()
    model = Model(library, options.model, options.every_tensor)
    load_ms = round((time.perf_counter() - start) * 1000.0, 3)
    try:
        images: list[Document] = []
        if options.packed and not options.info:
            images = run_packed(model, options.packed, options.packed_output, options.progress)
        elif not options.info:
            images = run(model, files, options)
        return {
            "model": str(options.model),
            "library": loaded_path(options.library),
            "version": model.version(),
            "chip": model.chip(),
            "load_ms": load_ms,
            "inputs": [describe(tensor) for tensor in model.inputs],
            "outputs": [describe(tensor) for tensor in model.outputs],
            "images": images,
        }
    finally:
        model.close()


class Parser(argparse.ArgumentParser):
    """argparse with this program's one-line errors and exit code."""

    def error(self, message: str) -> NoReturn:
        self.exit(1, f"tpu_run: {message}\n")


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = Parser(prog="tpu_run.py", description="Run a cvimodel and write its raw outputs.")
    parser.add_argument("model", type=Path, metavar="MODEL.cvimodel")
    text = "raw bytes of an input tensor; repeat for more inputs and more images"
    parser.add_argument(
        "--input", type=Path, action="append", default=[], metavar="IN.bin", help=text
    )
    text = "more input files, one a line; - is standard input"
    parser.add_argument("--inputs-list", metavar="FILE", help=text)
    parser.add_argument("--output-dir", type=Path, metavar="DIR")
    text = "raw bytes of many images, one after another; their outputs go to --packed-output"
    parser.add_argument("--packed", type=Path, metavar="IN.bin", help=text)
    parser.add_argument("--packed-output", type=Path, metavar="OUT.bin")
    parser.add_argument("--repeat", type=int, default=1, metavar="N", help="passes an image")
    parser.add_argument("--info", action="store_true", help="describe the model, run nothing")
    parser.add_argument("--every-tensor", action="store_true", help="layers as outputs, by name")
    text = "do not look at the model's md5: a damaged one runs, or makes the library abort"
    parser.add_argument("--damaged", action="store_true", help=text)
    parser.add_argument("--library", default=LIBRARY, metavar="PATH")
    parser.add_argument("--progress", action="store_true", help="one line an image on stderr")
    parser.add_argument("--json", action="store_true", help="accepted; JSON is the only format")
    return parser.parse_args(arguments)


def main() -> int:
    options = parse()
    # The library logs to file descriptor 1 from C, so the document gets a descriptor
    # of its own and 1 becomes standard error, before the library is loaded.
    sys.stdout.flush()
    document_fd = os.dup(1)
    os.dup2(2, 1)
    try:
        document = execute(options)
        with os.fdopen(document_fd, "w", encoding="utf-8") as stream:
            json.dump(document, stream)
            stream.write("\n")
    except (RunError, OSError) as error:
        ctypes.CDLL(None).fflush(None)  # the library's log first: this line is the last
        print(f"tpu_run: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
