"""`gramfold transform`: what a model gives for the rows of a file."""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import gramfold

from .errors import CONVERGED, UsageError
from .families import family_of
from .inputs import opened
from .outputs import MODEL, rows_to

METHODS = ("transform", "predict", "predict_proba", "score_samples")


def run(command: argparse.Namespace) -> int:
    """Write the results of rows; gives the exit status."""
    to = Path(command.output)
    piped = command.output == "-"
    if not piped and to.suffix not in (".npy", ".parquet"):
        raise UsageError(f"-o must end in .npy or .parquet, or be -, got {command.output}")
    if not piped and to.exists() and not command.force:
        raise FileExistsError(f"{to} is there already: --force replaces it")
    model = _loaded(Path(command.model))
    method = _method(model, command.method)
    if command.threads and "n_threads" in model.get_params():
        model.set_params(n_threads=command.threads)
    given = opened(command.input, dtype=command.dtype, memory=command.memory)
    if not piped:
        rows_to(to, model, method, given)
        print(to)
        return CONVERGED
    if sys.stdout.isatty():
        raise UsageError("-o - writes bytes, which are not for a terminal: send them into a file or a pipe")
    with tempfile.TemporaryDirectory(prefix="gramfold-") as folder:
        rows_to(Path(folder) / "rows.npy", model, method, given)
        with open(Path(folder) / "rows.npy", "rb") as file:
            shutil.copyfileobj(file, sys.stdout.buffer)
            sys.stdout.buffer.flush()
    return CONVERGED


def _loaded(path: Path) -> Any:
    return gramfold.load(path / MODEL if path.is_dir() else path, mmap=True)


def _method(model: Any, asked: str | None) -> str:
    """The method that is called."""
    has = [name for name in METHODS if hasattr(model, name)]
    if asked is None:
        family = family_of(type(model).__name__)
        return has[0] if family is None else family.rows
    if asked not in has:
        raise UsageError(f"gf.{type(model).__name__} has the methods {', '.join(has)}, not {asked!r}")
    return asked
