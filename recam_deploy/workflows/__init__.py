"""Implement the use cases, which print nothing, for the command line and the Python API."""

WAIT_SECONDS = 15.0
"""How long to wait for the camera's lock; scripts of a killed run end within that time."""
