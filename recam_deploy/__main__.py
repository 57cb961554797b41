"""`python -m recam_deploy` is `recam`."""

from .cli.main import run

run()
