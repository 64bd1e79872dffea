"""`gramfold convert`: a matrix as a flat file."""

import argparse
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from ..fit.blocks import Blocks
from ..fit.on_disk import loaded
from ..fit.out import row_blocks
from ..io import npz_write as io_npz
from ..io.npy import write_npy
from .errors import CONVERGED, UsageError
from .inputs import opened


def run(command: argparse.Namespace) -> int:
    """Write the file; gives the exit status."""
    to = Path(command.output)
    if to.suffix not in (".npy", ".npz"):
        raise UsageError(f"OUT must end in .npy, or in .npz for sparse rows, got {command.output}")
    if to.exists():
        if os.path.exists(command.input) and os.path.samefile(command.input, to):
            raise UsageError(f"IN and OUT are both {command.output}")
        if not command.force:
            raise FileExistsError(f"{to} is there already: --force replaces it")
    X = opened(command.input, dtype=command.dtype, memory=command.memory).X
    sparse = X.sparse if isinstance(X, Blocks) else sp.issparse(X)
    if sparse != (to.suffix == ".npz"):
        kind, ending = ("sparse", ".npz") if sparse else ("dense", ".npy")
        raise UsageError(f"{command.input} has {kind} rows, which go into a file that ends in {ending}")
    if sparse:
        write_npz(to, X)
    else:
        write_npy(str(to), _dense(X), X.shape[0], "OUT")
    print(to)
    return CONVERGED


def _dense(X: Any) -> Iterator[Any]:
    for _, rows in row_blocks(X):
        yield np.asarray(loaded(rows))


def write_npz(path: Path, X: Any) -> None:
    """Write CSR so that it lies flat; a block of rows is in memory."""

    def blocks() -> Iterator[Any]:
        for _, rows in row_blocks(X):
            yield Entries(loaded(rows.data), loaded(rows.indices), rows.indptr)

    io_npz.write_npz(path, blocks, X.shape, X.dtype, "OUT")


class Entries(NamedTuple):
    """What is written of CSR."""

    data: Any
    indices: Any
    indptr: Any
