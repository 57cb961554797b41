"""recam-deploy: from an ONNX model to live boxes on a Seeed reCamera, in one command."""

__version__ = "0.1.0"
