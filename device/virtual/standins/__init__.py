"""Programs of the camera that the host does not have, or has otherwise."""
