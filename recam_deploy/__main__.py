"""Run `recam`; `python -m recam_deploy` does the same."""

import sys


def main() -> None:
    """Load and run the command line. Ctrl-C while it loads shows no traceback either."""
    try:
        from .cli.streams import prepare_streams

        prepare_streams()
        from .cli.main import run

        run()
    except KeyboardInterrupt:
        from .cli.error_handler import INTERRUPTED, report_interruption

        report_interruption()
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()
