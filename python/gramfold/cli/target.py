"""--target: what a ridge predicts, a column of INPUT or a file of its own."""

from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

from ..fit.blocks import Blocks
from .errors import UsageError
from .inputs import Input, opened
from .names import Names


class Without:
    """Rows without one column."""

    def __init__(self, column: int) -> None:
        self._column = column

    def __call__(self, rows: Any, at: Any = None) -> Any:
        kept = [i for i in range(rows.shape[1]) if i != self._column]
        return rows[:, kept]


def split(given: Input, target: str) -> tuple[Input, Any]:
    """INPUT without the target, and the target.

    Raises
    ------
    UsageError
        If it is neither a column nor a file.
    ValueError
        If it has other rows than INPUT.
    """
    if given.names.columns and target in given.names.columns:
        return _column(given, given.names.columns.index(target))
    if not Path(target).exists() and not Path(target.partition("::")[0]).exists():
        columns = given.names.columns or []
        more = " ..." if len(columns) > 10 else ""
        said = f"the columns {', '.join(columns[:10])}{more}" if columns else "no names of columns"
        raise UsageError(f"--target {target} is neither a file nor a column: INPUT has {said}")
    y = np.load(target) if target.lower().endswith(".npy") else np.asarray(opened(target).gathered())
    y = y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y
    if len(y) != given.X.shape[0]:
        raise ValueError(f"--target {target} has {len(y)} rows, but INPUT {given.X.shape[0]}")
    return given, y


def _column(given: Input, at: int) -> tuple[Input, Any]:
    without, X = Without(at), given.X
    columns = given.names.columns or []
    names = Names(given.names.rows, columns[:at] + columns[at + 1 :])
    if not isinstance(X, Blocks):
        return given._replace(X=without(X), names=names), _entries(X, at)
    y = np.concatenate([_entries(part, at) for part in X.parts])
    header = X.header.drop_columns([columns[at]]) if hasattr(X.header, "drop_columns") else None
    left = X.map(without)
    left.header = header
    return given._replace(X=left, names=names), y


def _entries(rows: Any, at: int) -> Any:
    found = rows[:, [at]]
    return np.array(found.toarray() if sp.issparse(found) else found)[:, 0]
