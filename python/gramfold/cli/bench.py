"""`gramfold bench`: the benchmarks, where they are."""

import argparse
import subprocess
import sys
from pathlib import Path

from .errors import FAILED


def run(command: argparse.Namespace) -> int:
    """Run `python -m bench` in the folder that holds it; gives its exit status."""
    own = Path(__file__).resolve().parents[3]
    place = next((folder for folder in (Path.cwd(), own) if (folder / "bench" / "calls").is_dir()), None)
    if place is None:
        print(
            "gramfold bench: the benchmarks are in gramfold's repository, not in its package: call this in a "
            "clone of it, with the extra bench installed",
            file=sys.stderr,
        )
        return FAILED
    return subprocess.run([sys.executable, "-m", "bench", *command.arguments], cwd=place).returncode
