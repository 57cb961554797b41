"""What a cvimodel says of itself: header, tensors, weights, programs, memory and family."""

from .model import (
    CHIP,
    CviModel,
    Header,
    MappedTensor,
    Program,
    Routine,
    Section,
    Tensor,
    Weight,
)
from .reading import HEADER_BYTES, MAGIC, read_header, read_model

__all__ = [
    "CHIP",
    "HEADER_BYTES",
    "MAGIC",
    "CviModel",
    "Header",
    "MappedTensor",
    "Program",
    "Routine",
    "Section",
    "Tensor",
    "Weight",
    "read_header",
    "read_model",
]
