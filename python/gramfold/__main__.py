"""``python -m gramfold [-m module | script.py] arguments`` runs a program that `accelerate` has prepared.

``python -m gramfold COMMAND arguments`` is the command `gramfold`.
"""

import os
import runpy
import sys

from . import cli
from .accelerate import accelerate


def main() -> None:
    """Run what the command line says."""
    arguments = sys.argv[1:]
    if not arguments or (arguments[0] == "-m" and len(arguments) == 1):
        sys.exit("usage: python -m gramfold [-m module | script.py | command] arguments ...")
    if arguments[0] in {*cli.MODULES, "-h", "--help"} and not os.path.exists(arguments[0]):
        sys.exit(cli.main(arguments))
    accelerate()
    if arguments[0] == "-m":
        sys.argv = arguments[1:]
        sys.path[0] = os.getcwd()
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = arguments
        sys.path[0] = os.path.dirname(os.path.abspath(arguments[0]))
        runpy.run_path(arguments[0], run_name="__main__")


if __name__ == "__main__":
    main()
