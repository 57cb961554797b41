"""Parse a command line, call a workflow, print the result.

Heavy imports are inside the functions, so that `--help` is fast.
"""
