"""Every row solved to convergence for a fixed factor, at any scale and with dependent atoms."""

from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from .._core import kernels
from ..fit.warn import warn
from ..fold.source import Array, Source
from ..linalg.powers import times_power
from .from_data import Rows
from .rows import Pass, Penalty, Sweeps, solve_rows
from .scales import Scale, solve_in_range
from .sound_rows import mend

MOST_SWEEPS, POLISH = 10_000, 8


def solve_to_convergence(x: Source, shared: Array, penalty: Penalty, *, sums: Array | None = None) -> Pass:
    """Solve every row of x for the fixed `shared` (cols, k), from 0; the products are formed once.

    A row ends when its step is at most 1e-10 (float32: 1e-5) of its own size, and does not depend on the
    other rows.
    """

    def run(some: Source, factor: Array, own: Penalty, gram: Any, sweeps: Sweeps, start: Any = None) -> Pass:
        return solve_rows(
            some,
            factor,
            gram,
            own,
            sweeps,
            start=start,
            sums=sums,
            squares=sums is not None,
            n_threads=x.n_threads,
        )

    done: Pass | None = None  # as long as it is of the codes that are given back
    n_open, times = 0.0, 0

    def solve(scale: Scale, which: Any) -> Array:
        nonlocal done, n_open, times
        some, factor, own = (
            scale.rows(x, which),
            times_power(shared, scale.atoms),
            scale.penalty(penalty, x.dtype),
        )
        gram = kernels.gram(f=factor, n_threads=x.n_threads)
        sweeps = Sweeps(MOST_SWEEPS, tol=1e-10 if x.dtype == np.float64 else 1e-5, polish=POLISH)
        result = run(some, factor, own, gram, sweeps)
        rows = Rows(some, factor.T.astype(np.float64), own)
        ridged = gram + own.l2 * np.eye(len(gram))
        codes, is_open, changed = mend(rows, result.factor, most=MOST_SWEEPS, n_open=result.open, gram=ridged)
        n_open, times = n_open + is_open, times + 1
        done = result if some is x and not (changed.size or scale.atoms or times > 1) else None
        return codes

    codes = solve_in_range(x, shared.T, penalty.l2, solve)
    if n_open:
        warn(
            f"{n_open:.0f} of {x.rows} rows did not converge in {MOST_SWEEPS} sweeps: the "
            "components are nearly dependent; a small L2 penalty helps",
            ConvergenceWarning,
        )
    if done is None and sums is None:
        return Pass(codes, None, np.empty((0, 0)), None, 0.0, 0.0, 0.0, 0.0, n_open)
    if done is None:
        done = run(x, shared, penalty, kernels.gram(f=shared, n_threads=x.n_threads), Sweeps(0), codes)
    return replace(done, factor=codes, open=n_open)
