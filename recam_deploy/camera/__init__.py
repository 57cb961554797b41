"""Deploy a model to a reCamera, keep earlier ones, and read the camera's state."""
