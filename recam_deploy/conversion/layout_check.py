"""Check that a cvimodel has the inputs and outputs that the camera's software decodes.

The rules are those of SSCMA-Micro's model factory (`sscma/core/model/ma_model_factory.cpp`) and of
the class of each family beside it; `network.identify` derives the expected shapes from them.
"""

from __future__ import annotations

from ..cvimodel import CHIP, CviModel
from ..errors import VerificationError
from ..network.model import Network


def check_layout(model: CviModel, network: Network, *, int8_outputs: bool = False) -> None:
    """Raise VerificationError, naming the differences, unless the layout of `model` is right.

    The input is one packed uint8 RGB image; the outputs are the tensors of the network's family, in
    its order: float32, or INT8 with one scale for both maps of a stride.
    """
    dtype = "int8" if int8_outputs else "float32"
    differences = [
        *_difference("chip", model.header.chip, CHIP),
        *_difference("number of inputs", len(model.inputs), 1),
        *_difference("number of outputs", len(model.outputs), len(network.output_shapes)),
    ]
    if not differences:
        image = model.inputs[0]
        differences += [
            *_difference("input shape", image.shape, (1, *network.picture_size, 3)),
            *_difference("input type", image.dtype, "uint8"),
            *_difference("input pixel format", image.pixel_format, "RGB_PACKED"),
        ]
        for tensor, wanted in zip(model.outputs, network.output_shapes, strict=True):
            differences += _difference(f"shape of output {tensor.name}", tensor.shape, wanted)
            differences += _difference(f"type of output {tensor.name}", tensor.dtype, dtype)
        for stride, (box, logits) in model.unequal_scales.items():
            differences += _difference(f"scale of the classes at stride {stride}", logits, box)
    if differences:
        raise VerificationError(
            f"the camera would not decode this cvimodel: {'; '.join(differences)}",
            "This is a fault of the conversion; please report it with the model's layout.",
        )


def _difference(what: str, found: object, wanted: object) -> list[str]:
    return [] if found == wanted else [f"{what} is {found}, not {wanted}"]
