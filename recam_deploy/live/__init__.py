"""What the camera finds while it looks: its live results."""
