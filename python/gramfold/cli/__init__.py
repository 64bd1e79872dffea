"""The command `gramfold`: `gramfold demo` and `gramfold info`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from ..fit.config import show_config


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status.

    Parameters
    ----------
    arguments : sequence of str, optional
        By default those of the process.

    Returns
    -------
    int
        0; 1 if an extra is missing or a file cannot be written, with the reason on standard error;
        130 if interrupted. A wrong argument raises SystemExit(2), as argparse does.

    Examples
    --------
    >>> from gramfold.cli import main
    >>> main(["info"])  # doctest: +ELLIPSIS
    version: ...
    0
    """
    command = _parser().parse_args(arguments)
    if command.name == "info":
        _info()
        return 0
    try:
        _demo(command.output, command.threads)
    except (ImportError, OSError) as error:
        print(f"gramfold demo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("gramfold demo: interrupted", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="gramfold", description="Matrix factorisation at the speed of the hardware."
    )
    commands = parser.add_subparsers(dest="name", required=True, metavar="COMMAND")
    demo = commands.add_parser(
        "demo",
        help="learn dictionaries of photographs and faces, beside scikit-learn",
        description="Learn dictionaries of image patches and of faces and the colours of a photograph, "
        "write pictures of them and print a table of seconds and objective beside scikit-learn. Takes "
        "under a minute on two cores; nothing is downloaded. Needs the extra: pip install 'gramfold[demo]'",
    )
    demo.add_argument(
        "-o", "--output", type=Path, default=Path("gramfold-demo"), metavar="DIR",
        help="folder for the pictures, made if need be (default: %(default)s)",
    )  # fmt: skip
    demo.add_argument(
        "--threads", type=_threads, metavar="N",
        help="threads for both libraries (default: what gramfold info shows)",
    )  # fmt: skip
    commands.add_parser("info", help="show version, instruction set, compiler and threads")
    return parser


def _threads(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1, got {text!r}")
    return int(text)


def _demo(folder: Path, n_threads: int | None) -> None:
    from ..demo.run import run

    run(folder, n_threads=n_threads)


def _info() -> None:
    for key, value in show_config().items():
        print(f"{key}: {', '.join(value) if isinstance(value, list) else value}")
