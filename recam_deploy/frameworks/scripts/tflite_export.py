"""Convert a TFLite model to ONNX by tf2onnx, with its input as 1×3×H×W."""

from __future__ import annotations

import tensorflow as tf
import tf2onnx
from exporting import arguments, noise, run, write_proof
from tf2onnx import convert


def main() -> dict[str, str]:
    options = arguments(str(__doc__)).parse_args()
    interpreter = tf.lite.Interpreter(str(options.model))
    interpreter.allocate_tensors()
    (image,) = interpreter.get_input_details()
    model, _ = convert.from_tflite(
        str(options.model),
        opset=17,
        inputs_as_nchw=[image["name"]],
        output_path=str(options.output),
    )
    _, height, width, _ = image["shape"]
    picture = noise(height, width)
    interpreter.set_tensor(image["index"], picture.transpose(0, 2, 3, 1))
    interpreter.invoke()
    computed = {
        output["name"]: interpreter.get_tensor(output["index"])
        for output in interpreter.get_output_details()
    }
    write_proof(picture, [computed[output.name] for output in model.graph.output])
    return {"tf2onnx": tf2onnx.__version__, "tensorflow": tf.__version__}


if __name__ == "__main__":
    run(main)
