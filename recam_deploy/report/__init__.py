"""Compare a cvimodel with its float model, in numbers and pictures, as one HTML file."""
