"""Run a model on one picture with the camera's own test binary, and parse its output."""
