"""A calibrator of our own: the compiler's method, on onnxruntime, in a fraction of the time."""
