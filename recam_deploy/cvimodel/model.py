"""The values that describe a cvimodel."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..errors import InputError
from .family import family_of

CHIP = "cv181x"

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
"""Bytes an element, in the order of the file format's own numbers."""


@dataclass(frozen=True)
class Header:
    """What the first 48 bytes say; `md5` is of all that follows them."""

    version: str
    chip: str
    body_bytes: int
    md5: str


@dataclass(frozen=True)
class Tensor:
    """An input or output. `qscale` turns its integers into reals; 0 when it needs none."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    qscale: float
    pixel_format: str


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
        """The size of its elements, in bytes."""
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
    """A piece of data behind the description; `offset` counts bytes from that one's end.

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
    """A step of a program: on the "tpu", a section of commands; on the "cpu", a function."""

    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    runs: str


@dataclass(frozen=True)
class Program:
    """What runs for one batch size, and the memory that it takes, in bytes.

    `neuron_bytes` is 0 in all but files older than version 1.1, which know no other memory.
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
        """Height and width of the one input image, packed [1, H, W, 3] or planar [1, 3, H, W].

        Raises InputError when the input is no image.
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
    def family(self) -> str | None:
        """The family that the camera takes it for; None where it would refuse it."""
        if self.header.chip != CHIP:
            return None
        return family_of(
            [tensor.shape for tensor in self.inputs], [tensor.shape for tensor in self.outputs]
        )

    @property
    def ion_bytes(self) -> int:
        """The physically contiguous (ION) memory that the model takes when loaded.

        All sections, what each program keeps for itself, the largest of the shared areas, and
        the buffers of inputs and outputs: as sophgo/cviruntime `tool/cvimodel_tool.cpp` counts.
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
