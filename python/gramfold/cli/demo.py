"""`gramfold demo`."""

import argparse

from .errors import CONVERGED


def run(command: argparse.Namespace) -> int:
    """Write the demo's pictures; gives the exit status."""
    from ..demo.run import run as demo

    demo(command.output, n_threads=command.threads)
    return CONVERGED
