"""The table that `gramfold demo` prints."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from .fits import Comparison, Problem

COLUMNS = (
    "data     r  model            |  seconds  iterations  objective"
    " | scikit-learn: seconds  objective | faster"
)


def heading(data: Sequence[Problem], iterations: int, n_threads: int) -> str:
    """What is measured, and the names of the columns."""
    sizes = "; ".join(
        f"{problem.name}, {problem.X.shape[0]:,} x {problem.X.shape[1]} {problem.X.dtype}" for problem in data
    )
    return (
        f"{sizes}; threads: {n_threads}\n"
        f"scikit-learn's NMF (cd) runs {iterations} iterations; gramfold, from the same start,\n"
        "goes on until its objective is as low: seconds to equal quality, the fastest of up to\n"
        "three runs if short. '-' is a model scikit-learn does not have; there gramfold runs\n"
        f"{iterations} iterations. Objectives are computed in float64 from W and H as returned.\n\n"
        f"{COLUMNS}\n{'-' * len(COLUMNS)}"
    )


def line(row: Comparison) -> str:
    """One row of the table."""
    peer = (
        f"{row.peer.seconds:>21.3f}  {row.peer.objective:>9.2f}"
        if row.peer is not None
        else f"{'-':>21}  {'-':>9}"
    )
    faster = "-" if row.speedup is None else f"{row.speedup:.1f}x"
    return (
        f"{row.problem.name:<7} {row.rank:>2}  {row.setting.name:<16} | {row.ours.seconds:>8.3f}"
        f"  {row.ours.n_iter:>10}  {row.ours.objective:>9.2f} | {peer} | {faster:>6}"
    )


def closing(rows: Sequence[Comparison], files: Sequence[Path], seconds: float) -> str:
    """The ratios in one line, and what was written."""
    ratios = [row.speedup for row in rows if row.speedup is not None]
    names = "".join(f"\n  {file.name}" for file in files)
    summary = (
        f"Seconds to the objective of scikit-learn: {np.median(ratios):.1f} times fewer in the "
        f"median, {min(ratios):.1f} to {max(ratios):.1f}.\n"
        if ratios
        else ""
    )
    return f"{summary}Took {seconds:.0f} s. Pictures in {files[0].parent}:{names}"
