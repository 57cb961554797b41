"""Describe a cvimodel."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..errors import InputError
from .family import STRIDES, family_of, newer_family_of

CHIP = "cv181x"
ROW_BYTES = 64
"""Rows of the camera's video frames are padded to a multiple of this: `DEFAULT_ALIGN` of
sophgo/osdrv interdrv/vpss/common/vpss.c, which Seeed's code does not change."""

DTYPE_BYTES = {
    "float32": 4,
    "int32": 4,
    "uint32": 4,
    "bfloat16": 2,
    "int16": 2,
    "uint16": 2,
    "int8": 1,
    "uint8": 1,
}
"""The bytes of an element; the order is that of the numbers in the file format."""


@dataclass(frozen=True)
class Header:
    """The first 48 bytes of the file; `md5` is of all bytes after them."""

    version: str
    chip: str
    body_bytes: int
    md5: str


@dataclass(frozen=True)
class Tensor:
    """An input or output. Its integers times `qscale` are real values; 0 when there is none.

    `aligned` says that its rows are padded to `ROW_BYTES`: it was built with `--aligned_input`.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    qscale: float
    pixel_format: str
    aligned: bool = False

    @property
    def row_bytes(self) -> int:
        """Return the bytes of one row of a packed picture [1, H, W, C]; 0 for anything else."""
        if len(self.shape) != 4 or self.shape[3] not in (1, 3):
            return 0
        return self.shape[2] * self.shape[3] * DTYPE_BYTES[self.dtype]


@dataclass(frozen=True)
class MappedTensor:
    """A tensor of the network and its place in memory.

    `memory` is "shared" (with other models), "private", "io" (a buffer of its own) or "none";
    `offset` counts bytes in it and is None where there is none.
    """

    tensor_id: int
    tensor: Tensor
    memory: str
    offset: int | None

    @property
    def nbytes(self) -> int:
        """Return the size of the tensor's elements, in bytes."""
        return math.prod(self.tensor.shape) * DTYPE_BYTES[self.tensor.dtype]


@dataclass(frozen=True)
class Weight:
    """A constant; `offset` counts bytes in the weight section."""

    name: str
    offset: int
    size: int
    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Section:
    """A block of data after the description; `offset` counts bytes from the description's end.

    `md5` is of the section's bytes as they are stored.
    """

    kind: str
    name: str
    size: int
    offset: int
    encrypted: bool
    compressed: bool
    md5: str


@dataclass(frozen=True)
class Routine:
    """A step of a program.

    `kind` is "tpu" or "cpu"; `runs` names the section of commands or the function.
    """

    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    runs: str


@dataclass(frozen=True)
class Program:
    """The routines for one batch size, and the memory that they take, in bytes.

    `neuron_bytes` is 0 except in files older than version 1.1, which have no other memory.
    """

    batch: int
    neuron_bytes: int
    private_bytes: int
    shared_bytes: int
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    routines: tuple[Routine, ...]
    tensors: tuple[MappedTensor, ...]


@dataclass(frozen=True)
class CviModel:
    """A cvimodel's header, the compiler that made it, and its tensors in the file's own order.

    `inputs` and `outputs` are those of the first program, which is the one that the camera runs.
    """

    header: Header
    name: str
    compiler: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    version: str
    build_time: str
    target: str
    weights: tuple[Weight, ...]
    programs: tuple[Program, ...]
    sections: tuple[Section, ...]

    @property
    def input_size(self) -> tuple[int, int]:
        """Return height and width of the one input image, [1, H, W, 3] or [1, 3, H, W].

        Raises InputError when the input is not an image.
        """
        shape = self.inputs[0].shape if len(self.inputs) == 1 else ()
        if len(shape) == 4 and shape[3] in (1, 3):
            return shape[1], shape[2]
        if len(shape) == 4 and shape[1] in (1, 3):
            return shape[2], shape[3]
        raise InputError(
            f"the cvimodel does not take one image: its input shapes are "
            f"{[list(tensor.shape) for tensor in self.inputs]}",
            "Convert it with `recam convert`, which fuses the preprocessing.",
        )

    @property
    def rows(self) -> str:
        """Say which rows the input takes: "any", "padded" or "dense".

        "any": its rows are multiples of `ROW_BYTES`, padded or not. "padded": correct live, where
        the camera delivers such rows, and wrong in the test binary `sscma-model`, which writes
        dense ones (SSCMA-Micro sscma/core/model/ma_model_detector.cpp). "dense": the reverse.
        """
        image = self.inputs[0] if len(self.inputs) == 1 else None
        if image is None or image.row_bytes % ROW_BYTES == 0:
            return "any"
        return "padded" if image.aligned else "dense"

    @property
    def family(self) -> str | None:
        """Return the family that the camera takes the model for; None where it refuses it."""
        if self.header.chip != CHIP:
            return None
        return family_of(
            [tensor.shape for tensor in self.inputs], [tensor.shape for tensor in self.outputs]
        )

    @property
    def newer_family(self) -> str | None:
        """Return the family that only firmware after 0.2.4 decodes it as, else None."""
        if self.header.chip != CHIP:
            return None
        return newer_family_of(
            [tensor.shape for tensor in self.inputs], [tensor.shape for tensor in self.outputs]
        )

    @property
    def has_int8_maps(self) -> bool:
        """Say whether the camera decodes it as a YOLO11 detector whose six maps are INT8."""
        maps = self.outputs[:6]
        return self.family == "yolo11-detect" and all(tensor.dtype == "int8" for tensor in maps)

    @property
    def unequal_scales(self) -> dict[int, tuple[float, float]]:
        """Return the scales of box and class map by stride, where YOLO11's INT8 maps differ in it.

        The camera multiplies each with the other's scale: `postProcessI8` of SSCMA-Micro 60e2ede
        `sscma/core/model/ma_model_yolo11.cpp`. Empty unless `has_int8_maps`.
        """
        if not self.has_int8_maps:
            return {}
        scales = [tensor.qscale for tensor in self.outputs[:6]]
        pairs = zip(scales[0::2], scales[1::2], strict=True)
        return {
            stride: (box, logits)
            for stride, (box, logits) in zip(STRIDES, pairs, strict=True)
            if box != logits
        }

    @property
    def ion_bytes(self) -> int:
        """Return the bytes of physically contiguous (ION) memory that the loaded model takes.

        They are all sections, each program's private memory, the largest of the shared areas, and
        the buffers of inputs and outputs, as sophgo/cviruntime `tool/cvimodel_tool.cpp` counts.
        """
        buffers = [
            entry.nbytes
            for program in self.programs
            for entry in program.tensors
            if entry.memory == "io"
        ]
        return (
            sum(section.size for section in self.sections)
            + sum(program.neuron_bytes + program.private_bytes for program in self.programs)
            + max((program.shared_bytes for program in self.programs), default=0)
            + sum(buffers)
        )
