"""A cvimodel against its float model, in numbers and pictures, as one HTML file."""
