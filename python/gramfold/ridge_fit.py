"""From the data of `Ridge` to its solution: choice of the solver, and what each is given."""

import warnings
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from . import ridge_direct as direct
from ._arguments import generator
from .fold import Array
from .monitor import Monitor
from .ridge_data import SAME, Data, finite, penalties
from .ridge_forms import Form, GramForm, RowsForm
from .ridge_moments import Double, Moments
from .ridge_sgd import Rows, constant, decaying, stochastic_gradients
from .ridge_solvers import (
    Iterates,
    Solution,
    admm,
    conjugate_gradients,
    descend,
    gradient_descent,
    measure,
)

MOST_COLUMNS = 4096  # of a Gram matrix that 'cg', 'gd' and 'sgd' form: 128 MiB
SPARSE_COLUMNS = 1024  # and of one that 'auto' forms of a CSR matrix
BATCH = 32

# solution, means of x and y, name of the solver, history
Fitted = tuple[Solution, tuple[Double, Double], str, dict[str, Array]]


@dataclass(slots=True)
class Problem:
    """What a solver is given."""

    model: Any
    data: Data
    alpha: Double
    monitor: Monitor
    sums: Moments | None = None
    gaps: list[float] = field(default_factory=list)

    def gram_form(self) -> tuple[GramForm, tuple[Double, Double]]:
        """X'X, formed unless it is known."""
        sums = self.sums or self.data.moments()
        return GramForm(sums), (sums.x_mean, sums.y_mean)

    def form(self) -> tuple[Form, tuple[Double, Double]]:
        """X'X, or passes over X if it has too many columns."""
        if self.sums is not None or self.data.x.cols <= MOST_COLUMNS:
            return self.gram_form()
        return self.rows_form()

    def rows_form(self) -> tuple[RowsForm, tuple[Double, Double]]:
        """Passes over X."""
        form = RowsForm(self.data.x, self.data.y, self.data.weights, self.data.centered)
        return form, (form.x_mean, form.y_mean)


def solve(model: Any, data: Data, sums: Moments | None = None) -> Fitted:
    """Solve with the solver asked for, or the one that fits the shape."""
    name = choose(model, data, sums)
    iterative = name in ITERATIONS
    most = model.max_iter or (1000 if name == "sgd" else 10_000) if iterative else 1
    monitor = Monitor(most, model.verbose, model.callback, model.max_time)
    problem = Problem(model, data, penalties(model.alpha, data.y.shape[1]), monitor, sums)
    if (sums is None and name in ("svd", "dual", "sgd")) or data.x.cols > MOST_COLUMNS:
        finite(data.x)
    with monitor:
        if iterative:
            form, mean, iterates = ITERATIONS[name](problem)
            tol, note = float(model.tol), problem.gaps.append
            solution = descend(iterates, form, problem.alpha, tol, most, monitor, bool(model.positive), note)
            if isinstance(form, RowsForm) and data.x.dtype == np.float32:
                solution = _measured_anew(form, problem.alpha, solution)
        else:
            solution, mean, name = DIRECT[name](problem)
            monitor.record(solution.objective, solution.kkt)
            problem.gaps.append(float(solution.gap.sum()))
    if not solution.converged and solution.n_iter == most and model.tol > 0:
        warnings.warn(
            f"solver {name!r} reached max_iter={most} at a relative gradient of {solution.kkt:.1e}, above "
            f"tol={model.tol:g}; raise max_iter or tol, or use a direct solver",
            ConvergenceWarning,
            stacklevel=3,
        )
    return solution, mean, name, monitor.history | {"gap": np.array(problem.gaps)}


def _measured_anew(form: Form, alpha: Double, found: Solution) -> Solution:
    """What is left at the end by one more pass: rounding adds up in products that follow the iterations."""
    objective, kkt, gap = measure(form, alpha, found.coef, form.apply(found.coef))
    return replace(found, objective=objective, kkt=kkt, gap=gap)


def choose(model: Any, data: Data, sums: Moments | None) -> str:
    """Name the solver that runs."""
    name = str(SAME.get(model.solver, model.solver))
    rows, cols = data.x.rows, data.x.cols
    if name == "svd" and data.x.sparse:
        raise ValueError("solver='svd' needs a dense X; for a sparse one use 'cholesky', 'dual' or 'cg'")
    if name != "auto":
        return name
    if model.positive:
        return "cd"
    if sums is not None or cols <= min(rows, SPARSE_COLUMNS if data.x.sparse else MOST_COLUMNS):
        return "cholesky"
    return "dual" if rows < cols and rows <= (SPARSE_COLUMNS if data.x.sparse else MOST_COLUMNS) else "cg"


def _cholesky(problem: Problem) -> tuple[Solution, tuple[Double, Double], str]:
    form, mean = problem.gram_form()
    try:
        return direct.primal(form, problem.alpha), mean, "cholesky"
    except direct.Singular:
        pass
    data = problem.data
    if problem.sums is None and not data.x.sparse:
        return _svd(problem, form, mean)
    B = direct.by_eigenvalues(form.gram, form.linear, problem.alpha)
    return direct.solution(form, problem.alpha, B), mean, "eigen"


def _svd(
    problem: Problem, form: Form | None = None, mean: tuple[Double, Double] | None = None
) -> tuple[Solution, tuple[Double, Double], str]:
    if form is None or mean is None:
        form, mean = problem.rows_form()
    data = problem.data
    x, y = direct.centred(data.x.x, data.y, data.weights, *mean)
    return direct.singular_values(form, x.astype(np.float64), y, problem.alpha), mean, "svd"


def _dual(problem: Problem) -> tuple[Solution, tuple[Double, Double], str]:
    data = problem.data
    _, mean = problem.rows_form()
    return direct.dual(data.x, data.y, data.weights, *mean, problem.alpha), mean, "dual"


def _nonnegative(problem: Problem) -> tuple[Solution, tuple[Double, Double], str]:
    form, mean = problem.gram_form()
    return direct.nonnegative(form, problem.alpha), mean, "cd"


def _cg(problem: Problem) -> tuple[Form, tuple[Double, Double], Iterates]:
    form, mean = problem.form()
    return form, mean, conjugate_gradients(form, problem.alpha)


def _gd(problem: Problem) -> tuple[Form, tuple[Double, Double], Iterates]:
    form, mean = problem.form()
    return form, mean, gradient_descent(form, problem.alpha, problem.model.step)


def _admm(problem: Problem) -> tuple[Form, tuple[Double, Double], Iterates]:
    form, mean = problem.gram_form()
    return form, mean, admm(form, problem.alpha, problem.model.rho, bool(problem.model.positive))


def _sgd(problem: Problem) -> tuple[Form, tuple[Double, Double], Iterates]:
    form, mean = problem.form()
    data, step = problem.data, problem.model.step
    rows = Rows(data.x.x, data.y, data.weights, *mean)
    alpha = problem.alpha
    steps = decaying(form, rows, alpha, BATCH) if step is None else constant(form, rows, alpha, step)
    rng = generator(problem.model.random_state)
    return form, mean, stochastic_gradients(form, rows, alpha, steps, rng, BATCH)


DIRECT = {"cholesky": _cholesky, "svd": _svd, "dual": _dual, "cd": _nonnegative}
ITERATIONS = {"cg": _cg, "gd": _gd, "admm": _admm, "sgd": _sgd}
