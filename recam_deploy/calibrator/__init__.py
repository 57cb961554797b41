"""Calibrate by the compiler's method on onnxruntime, in a fraction of the compiler's time."""
