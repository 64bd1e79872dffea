"""Results as files, each of which takes its name when it is whole."""

import csv
import io
import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from ..extras import require
from ..io.npy import write_npy
from ..keep.atomic import in_place_of, remove_parts
from .families import Family
from .inputs import Input
from .names import Names

MODEL, REPORT, CHECKPOINT = "model.gramfold", "report.json", "checkpoint.gramfold"
ROWS, TABLE, CONSENSUS = "rows.npy", "rows.parquet", "consensus.npy"
OUTLIERS = "outliers.npz", "outliers.npy"  # CSR and dense
ARRAY = ".rows.parquet.npy"  # what the table is made of
EVERY = (
    MODEL, REPORT, ROWS, TABLE, "components.npy", "components.csv", CONSENSUS, *OUTLIERS,
    "convergence.png", "components.png", "consensus.png",
)  # fmt: skip
TOGETHER = 1 << 16  # rows that are written together


def taken(folder: Path) -> Path | None:
    """A file in a folder that results would replace."""
    return next((folder / name for name in (*EVERY, CHECKPOINT) if (folder / name).exists()), None)


def remove_left(folder: Path) -> None:
    """Remove what a process that was killed left half written."""
    for name in (*EVERY, ARRAY):
        remove_parts(folder / name)
    (folder / ARRAY).unlink(missing_ok=True)


def write_report(folder: Path, report: dict[str, Any]) -> None:
    """Write what is said of a fit."""
    with in_place_of(folder / REPORT) as file:
        file.write((json.dumps(report, indent=2) + "\n").encode())


def write_components(folder: Path, model: Any, family: Family, columns: list[str] | None) -> None:
    """Write components as an array, and as text with the names of the features."""
    found = np.atleast_2d(getattr(model, family.components))
    write_npy(str(folder / "components.npy"), [found], len(found), "components")
    names = columns or [str(i) for i in range(found.shape[1])]
    with in_place_of(folder / "components.csv") as file:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="")
        lines = csv.writer(text, lineterminator="\n")
        lines.writerow(["", *names])
        lines.writerows([i, *map(str, row)] for i, row in enumerate(found))
        text.detach()


def write_outliers(folder: Path, found: Any) -> None:
    """Write the outliers of all entries of X, as CSR if most are 0."""
    sparse, dense = (folder / name for name in OUTLIERS)
    if sp.issparse(found):
        with in_place_of(sparse) as file:
            sp.save_npz(file, found, compressed=False)
        dense.unlink(missing_ok=True)
    else:
        write_npy(str(dense), [found], len(found), "outliers")
        sparse.unlink(missing_ok=True)


def write_rows(folder: Path, model: Any, family: Family, given: Input, rows: Any = None) -> None:
    """Write the results of the rows, which may be known already, with their names if they have some."""
    named = given.names.rows is not None and find_spec("pyarrow") is not None
    path = folder / (TABLE if named else ROWS)
    rows_to(path, model, family.rows, given, rows)
    (folder / (ROWS if named else TABLE)).unlink(missing_ok=True)


def rows_to(path: Path, model: Any, method: str, given: Input, rows: Any = None) -> None:
    """Write what a method gives for the rows, to .npy or with their names to .parquet."""
    array = path if path.suffix == ".npy" else path.with_name(f".{path.name}.npy")
    if rows is None:
        getattr(model, method)(given.X, out=array)
    else:
        write_npy(str(array), [rows], len(rows), "rows")
    if array == path:
        return
    try:
        _write_table(path, np.load(array, mmap_mode="r"), given.names, method)
    finally:
        array.unlink()


def _write_table(path: Path, found: NDArray[Any], names: Names, method: str) -> None:
    pyarrow, parquet = (require(name, extra="files") for name in ("pyarrow", "pyarrow.parquet"))
    values = found if found.ndim == 2 else found[:, None]
    columns = [method] if found.ndim == 1 else [f"component_{i}" for i in range(values.shape[1])]
    rows = names.rows or range(len(values))
    with in_place_of(path) as file:
        writer = None
        for first in range(0, max(1, len(values)), TOGETHER):
            some = np.asarray(values[first : first + TOGETHER])
            arrays = [list(rows[first : first + TOGETHER]), *np.ascontiguousarray(some.T)]
            table = pyarrow.table(dict(zip(["row", *columns], arrays, strict=True)))
            writer = writer or parquet.ParquetWriter(file, table.schema)
            writer.write_table(table)
        assert writer is not None
        writer.close()
