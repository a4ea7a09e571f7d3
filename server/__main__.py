"""`python -m server`: the same as the command `aibridge`."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line; whoever interrupts it while it is still loading, is heard too."""
    try:
        from server.cli import main as run  # noqa: PLC0415

        run()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
