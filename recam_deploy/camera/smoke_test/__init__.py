"""Run the camera's own test program on one picture, and read what it says."""
