"""Decode a detector's outputs to named boxes on the original picture, draw and compare them."""
