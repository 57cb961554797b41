"""What a model is: reading an ONNX file, finding its heads, lowering and cutting it."""
