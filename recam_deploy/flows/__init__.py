"""Flows for the camera's Node-RED: reading, merging, comparing, keeping and pushing them."""
