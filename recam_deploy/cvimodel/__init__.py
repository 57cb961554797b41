"""Read a cvimodel: header, tensors, weights, programs, memory, and the camera's family for it."""

from .model import (
    CHIP,
    ROW_BYTES,
    CviModel,
    Header,
    MappedTensor,
    Program,
    Routine,
    Section,
    Tensor,
    Weight,
)
from .reading import HEADER_BYTES, MAGIC, ModelFile, read_file, read_header, read_model

__all__ = [
    "CHIP",
    "HEADER_BYTES",
    "MAGIC",
    "ROW_BYTES",
    "CviModel",
    "Header",
    "MappedTensor",
    "ModelFile",
    "Program",
    "Routine",
    "Section",
    "Tensor",
    "Weight",
    "read_file",
    "read_header",
    "read_model",
]
