"""From the data of `Ridge` to its solution: the choice of the way, and what is said about its end.

The ways are in `ways`; n is the number of rows, p of columns, and a side is short up to MOST_COLUMNS, of CSR
up to SPARSE_COLUMNS.

| solver            | X                       | way                                                      |
|-------------------|-------------------------|----------------------------------------------------------|
| auto              | p <= n, p short         | cholesky                                                 |
|                   | n < p, n short          | dual                                                     |
|                   | else                    | cg                                                       |
|                   | positive=True           | cd                                                       |
| cholesky, dual    | p <= n                  | cholesky: X'X is factorised                              |
|                   | n < p                   | dual: XX' is factorised                                  |
| svd               | dense                   | svd of the rows, for p <= n of R of their QR             |
| cg, gd, sgd       | p <= MOST_COLUMNS       | multiply by X'X                                          |
|                   | else                    | read X each time                                         |
| admm              | p <= n                  | X'X + rho I is factorised                                |
|                   | n < p                   | XX' + rho I is factorised                                |
| cd                | n < p, p > MANY         | faces by reads of X                                      |
|                   | else                    | faces of X'X                                             |
| after partial_fit | any                     | by X'X: cholesky (for auto too), cg, gd, admm, cd        |

Where X'X or XX' is too near to singular, cholesky and dual end in the svd of the rows: for CSR with p <= n in
the eigenvalues of X'X first ('eigen'), and after `partial_fit` in the svd of what is kept of the rows. There
cd ends in faces of R of the QR decomposition of the rows.
"""

from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from ..fit.callbacks import told
from ..fit.checkpoint import kept_by
from ..fit.monitor import Monitor
from ..fit.warn import warn
from . import ways
from .data import SAME, Data, Double, penalties
from .direct import small
from .seen import Seen
from .solution import RidgeSolution
from .solvers import descend, optimality
from .ways import DIRECT, ITERATIONS, RidgeProblem

SPARSE_COLUMNS = 1024  # of a Gram matrix that 'auto' forms of a CSR matrix


def solve(model: Any, data: Data, seen: Seen | None = None) -> RidgeSolution:
    """Solve with the solver asked for, or the one that fits the shape."""
    name = choose(model, data, seen)
    iterative = name in ITERATIONS
    most = model.max_iter or (1000 if name == "sgd" else 10_000) if iterative else 1
    monitor = Monitor(most, model.verbose, told(model), model.max_time, kept=kept_by(model))
    problem = RidgeProblem(model, data, penalties(model.alpha, data.y.shape[1], data.units), monitor, seen)
    if data.x.cols > min(data.x.rows, ways.MOST_COLUMNS) or name in ("svd", "sgd"):  # else moments tell
        data.x.check_finite()
    positive = bool(model.positive)
    if monitor.state is not None:
        problem.gaps, problem.held = monitor.state["gaps"], monitor.state["held"]
    with monitor:
        if iterative:
            form, iterates = ITERATIONS[name](problem)
            found = descend(
                iterates, form, problem.alpha, float(model.tol), most, monitor, problem.gaps, positive,
                problem.held,
            )  # fmt: skip
        else:
            found, name = DIRECT[name](problem)
        with small(data.x.cols):
            solution = problem.judge.solution(found, positive)
        gap = float(np.sum(solution.gap))
        if iterative:
            problem.gaps[-1] = gap
            allowed = 1.01 * float(model.tol) + _of_rounding(problem, found.coef)
            solution.converged = found.converged and solution.kkt <= allowed
        else:
            monitor.record(solution.objective, solution.kkt)
            problem.gaps.append(gap)
    if not solution.converged:
        if iterative:
            _warn_unconverged(solution, model, data, name, most, found.converged)
        else:
            _warn_inexact(name, seen is not None)
    if model.solver in SAME and name not in ("svd", "eigen"):
        name = model.solver
    solution.solver, solution.history = name, monitor.history | {"gap": np.array(problem.gaps)}
    return solution


def _warn_unconverged(
    solution: RidgeSolution, model: Any, data: Data, name: str, most: int, by_rounding: bool
) -> None:
    """Warn of a fit that did not converge, unless it was stopped."""
    if by_rounding:
        warn(
            f"solver {name!r} ended at a relative gradient of {solution.kkt:.1e}, above "
            f"tol={float(model.tol):g}: sums over {data.x.dtype} are no more exact; raise tol, or use a "
            "direct solver",
            ConvergenceWarning,
        )
    elif solution.n_iter == most and model.tol > 0:
        warn(
            f"solver {name!r} reached max_iter={most} at a relative gradient of {solution.kkt:.1e}, above "
            f"tol={float(model.tol):g}; raise max_iter or tol, or use a direct solver",
            ConvergenceWarning,
        )


def _warn_inexact(name: str, blocks: bool) -> None:
    """Warn of coefficients of which no digit is sure."""
    kept = "the sums that partial_fit keeps do" if blocks else f"solver {name!r} does"
    warn(
        f"{kept} not tell X from one with dependent columns, and coefficients may have no right digit; raise "
        f"alpha, drop columns that others make up, or use {'fit' if blocks else 'another solver'}",
        ConvergenceWarning,
    )


def _of_rounding(problem: RidgeProblem, B: Double) -> float:
    """The relative gradient that comes of rounding the coefficients to the dtype of X."""
    judge, off = problem.judge, B - problem.judge.rounded(B)
    if not off.any():
        return 0.0
    return 2 * optimality(problem.form.apply(off), -problem.alpha, off, judge.scale)[0]


def choose(model: Any, data: Data, seen: Seen | None) -> str:
    """Name the solver that runs."""
    name = str(SAME.get(model.solver, model.solver))
    rows, cols = data.x.rows, data.x.cols
    if name == "svd" and data.x.sparse:
        raise ValueError("solver='svd' does not support a sparse X; use 'cholesky', 'dual' or 'cg'")
    if name in ("cholesky", "dual") and seen is None:
        return "cholesky" if cols <= rows else "dual"
    if name != "auto":
        return name
    if model.positive:
        return "cd"
    short = SPARSE_COLUMNS if data.x.sparse else ways.MOST_COLUMNS
    if seen is not None or cols <= min(rows, short):
        return "cholesky"
    return "dual" if rows < cols and rows <= short else "cg"
