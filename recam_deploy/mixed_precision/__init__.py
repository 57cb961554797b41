"""Find the layers to keep in BF16 when INT8 loses too much."""
