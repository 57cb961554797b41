"""Training code of the bundled shapes detector; run its modules from the folder above."""
