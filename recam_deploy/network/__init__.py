"""Read an ONNX model, identify its family, and cut and lower it for the compiler."""
