"""The command `gramfold`: fits, models and files from a shell, and `gramfold demo`."""

import logging
import os
import signal
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from .errors import CONVERGED, FAILED, INTERRUPTED, TERMINATED, USAGE, Terminated, UsageError
from .families import FAMILIES
from .parser import parser

MODULES = {
    **dict.fromkeys(FAMILIES, "fit"), "combine": "combine", "transform": "transform", "info": "about",
    "convert": "convert", "demo": "demo", "bench": "bench",
}  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status.

    Parameters
    ----------
    arguments : sequence of str, optional
        By default those of the process.

    Returns
    -------
    int
        0: done, and converged if it was a fit; 1: an error, with the reason in one line on standard error; 2:
        arguments that do not go together; 3: written, but not converged; 130, 143: interrupted by Ctrl-C or
        SIGTERM. A wrong argument raises SystemExit(2), as argparse does.

    Examples
    --------
    >>> from gramfold.cli import main
    >>> main(["info"])  # doctest: +ELLIPSIS
    version: ...
    0
    """
    command = parser().parse_args(arguments)
    title = f"gramfold {command.name}"
    before = _on_sigterm()
    try:
        with warnings.catch_warnings(), _told(title, getattr(command, "quiet", False)):
            status = int(import_module(f".{MODULES[command.name]}", __name__).run(command))
            sys.stdout.flush()
            return status
    except KeyboardInterrupt as stop:
        return _say(title, str(stop) or "interrupted", INTERRUPTED)
    except Terminated as stop:
        return _say(title, str(stop) or "interrupted", TERMINATED)
    except BrokenPipeError:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - who read it has gone, and Python would say so again
        return FAILED
    except Exception as error:
        if os.environ.get("GRAMFOLD_DEBUG") == "1":
            raise
        return _say(title, _reason(error), USAGE if isinstance(error, UsageError) else FAILED)
    finally:
        if before is not None:
            signal.signal(signal.SIGTERM, before)


def _reason(error: Exception) -> str:
    if isinstance(error, MemoryError):
        return f"out of memory; --memory bounds what is read at a time ({error})"
    said = " ".join(str(error).split()) or "failed"
    if isinstance(error, OSError | ValueError | TypeError | ImportError):
        return said
    return f"{type(error).__name__}: {said}; GRAMFOLD_DEBUG=1 shows where"


@contextmanager
def _told(title: str, quiet: bool) -> Iterator[None]:
    """Have warnings and log lines go to standard error, each in one line, or nowhere."""

    def show(message: Any, *_: Any, **__: Any) -> None:
        if not quiet:
            _say(title, message)

    warnings.showwarning = show
    handler, logger = logging.StreamHandler(), logging.getLogger("gramfold")
    handler.setFormatter(logging.Formatter(f"{title}: %(message)s"))
    handler.setLevel(logging.ERROR if quiet else logging.NOTSET)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


def _say(title: str, message: Any, status: int = CONVERGED) -> int:
    """Say something in one line, and give the exit status."""
    print(f"{title}: {' '.join(str(message).split())}", file=sys.stderr)
    return status


def _on_sigterm() -> Any:
    """Have SIGTERM end commands as Ctrl-C does; gives what handled it before, None where it stays so."""

    def end(number: int, frame: object) -> None:
        raise Terminated

    try:
        return (
            signal.signal(signal.SIGTERM, end) if signal.getsignal(signal.SIGTERM) == signal.SIG_DFL else None
        )
    except ValueError:  # not the main thread
        return None
