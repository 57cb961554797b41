"""Compute what the TPU computes, from the compiler's lowered network, in onnxruntime."""
