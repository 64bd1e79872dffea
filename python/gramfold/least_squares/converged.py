"""Every row solved to convergence for a fixed factor, at any scale and with dependent atoms."""

from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from .._core import kernels
from ..fit.warn import warn
from ..fold.source import Array, Source
from ..linalg.powers import times_power
from .from_data import Rows
from .rows import Penalty, Solved, Sweeps, gram_of, solve_all
from .scales import Scale, solve_in_range
from .sound_rows import mend

MOST_SWEEPS, POLISH = 10_000, 8


def solve_to_convergence(x: Source, shared: Array, penalty: Penalty, *, sums: bool = False) -> Solved:
    """Solve every row of x for the fixed `shared` (cols, k), from 0; the products are formed once.

    A row ends when its step is at most 1e-10 (float32: 1e-5) of its own size, and does not depend on the
    other rows. With `sums`, X'Z and Z'Z are given too, and Z is `Kept` if that is where it is.
    """
    solver = _Converging(x, shared, penalty, sums)
    codes = solve_in_range(x, shared.T, penalty.l2, solver)
    if solver.unconverged:
        warn(
            f"{solver.unconverged:.0f} of {x.rows} rows did not converge in {MOST_SWEEPS} sweeps: the "
            "components are nearly dependent; a small L2 penalty helps",
            ConvergenceWarning,
        )
    done = solver.done
    if done is None and not sums:
        return Solved(codes, None, np.empty((0, 0)), None, 0.0, 0.0, 0.0, 0.0, solver.unconverged)
    if done is None:
        gram = kernels.gram(f=shared, n_threads=x.n_threads)
        room = x.room(len(gram), [])
        done = solve_all(x, shared, gram, penalty, Sweeps(0), start=codes, out=room, sums=True)
    return done._replace(factor=codes, unconverged=solver.unconverged)


class _Converging:
    """What `solve_in_range` calls.

    Attributes
    ----------
    done : Solved or None
        What the pass gave, as long as it is of the codes that are given back.
    unconverged : float
        Rows that did not end.
    """

    def __init__(self, x: Source, shared: Array, penalty: Penalty, sums: bool) -> None:
        self.x, self.shared, self.penalty, self.sums = x, shared, penalty, sums
        self.done: Solved | None = None
        self.unconverged, self.times = 0.0, 0

    def __call__(self, scale: Scale, which: Any) -> Array:
        x, dtype = self.x, self.x.dtype
        some, factor = scale.rows(x, which), times_power(self.shared, scale.atoms)
        own = scale.penalty(self.penalty, dtype)
        gram = gram_of(factor, x.n_threads)
        sweeps = Sweeps(MOST_SWEEPS, tol=1e-10 if dtype == np.float64 else 1e-5, polish=POLISH)
        room = some.room(len(gram), []) if self.sums else None  # of a fit, which does without the rows
        result = solve_all(some, factor, gram, own, sweeps, out=room, sums=self.sums, squares=self.sums)
        rows = Rows(some, factor.T.astype(np.float64), own)
        ridged = gram + own.l2 * np.eye(len(gram)) if own.l2 else gram
        codes, unconverged, changed = mend(
            rows, result.factor, most=MOST_SWEEPS, unconverged=result.unconverged, gram=ridged
        )
        self.unconverged, self.times = self.unconverged + unconverged, self.times + 1
        same = some is x and not (changed.size or scale.atoms or self.times > 1)
        self.done = result if same else None
        return codes
