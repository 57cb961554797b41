"""Convert an ONNX model to a checked cvimodel: plan, run or reuse each step, verify."""
