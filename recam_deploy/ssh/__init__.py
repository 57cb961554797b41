"""SSH to the camera: connect, log in, run commands, move files. Knows nothing of models."""
