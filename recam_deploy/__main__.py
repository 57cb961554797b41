"""The program `recam`, which `python -m recam_deploy` is as well."""

import sys


def main() -> None:
    """Load it and run it. Loading takes a moment, in which Ctrl-C shows no traceback either."""
    try:
        from .cli.main import run

        run()
    except KeyboardInterrupt:
        from .cli.error_handler import INTERRUPTED, report_interruption

        report_interruption()
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()
