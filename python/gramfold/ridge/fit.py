"""From the data of `Ridge` to its solution: choice of the solver, and what each is given."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from ..fit.arguments import generator
from ..fit.monitor import Monitor
from ..fit.warn import warn
from . import direct as direct
from .blocks import Blocks
from .data import SAME, Data, Double, finite, penalties
from .faces import GramFaces, RowFaces
from .forms import FewRowsForm, Form, GramForm, RowsForm, rows_about_means
from .moments import Moments, moments
from .nonnegative import MANY, nonnegative, nonnegative_of_few_rows, on_faces
from .rows import Rows
from .sgd import Drawn, constant, decaying, stochastic_gradients
from .solution import Judge, Solution, settle
from .solvers import (
    Found,
    Iterates,
    admm,
    conjugate_gradients,
    descend,
    gradient_descent,
    optimality,
)

MOST_COLUMNS = 4096  # of a Gram matrix that 'cg', 'gd' and 'sgd' form: 128 MiB
SPARSE_COLUMNS = 1024  # and of one that 'auto' forms of a CSR matrix
BATCH = 32


@dataclass
class Problem:
    """What a solver is given."""

    model: Any
    data: Data
    alpha: Double
    monitor: Monitor
    seen: Blocks | None = None
    gaps: list[float] = field(default_factory=list)

    @cached_property
    def sums(self) -> Moments:
        """X'X and X'y."""
        return moments(self.data)

    @cached_property
    def gram_form(self) -> GramForm:
        """X'X, formed unless it is known."""
        return GramForm(self.seen or self.sums)

    @cached_property
    def rows(self) -> Rows:
        """The rows, about the means that X'X was formed about, if it was."""
        if "sums" in self.__dict__:
            return Rows(self.data, self.sums.x_mean, self.sums.y_mean, self.sums.far)
        return rows_about_means(self.data)

    @cached_property
    def form(self) -> Form:
        """X'X, or passes over X if it has too many columns."""
        if self.seen is not None or self.data.x.cols <= MOST_COLUMNS:
            return self.gram_form
        return RowsForm(self.rows, self.data.units)

    @cached_property
    def linear(self) -> Double:
        """X'Y, of what is at hand."""
        for known in ("gram_form", "form"):
            if known in self.__dict__:
                return np.asarray(self.__dict__[known].linear)
        return RowsForm(self.rows, self.data.units).linear

    @cached_property
    def judge(self) -> Judge:
        """What measures coefficients."""
        sums = None if self.seen else self.__dict__.get("sums")
        return Judge(self.data, self.seen or self.rows, self.alpha, self.linear, sums)


def solve(model: Any, data: Data, seen: Blocks | None = None) -> Solution:
    """Solve with the solver asked for, or the one that fits the shape."""
    name = choose(model, data, seen)
    iterative = name in ITERATIONS
    most = model.max_iter or (1000 if name == "sgd" else 10_000) if iterative else 1
    monitor = Monitor(most, model.verbose, model.callback, model.max_time)
    problem = Problem(model, data, penalties(model.alpha, data.y.shape[1], data.units), monitor, seen)
    if data.x.cols > min(data.x.rows, MOST_COLUMNS) or name in ("svd", "sgd"):  # else moments tell
        finite(data.x)
    positive = bool(model.positive)
    with monitor:
        if iterative:
            form, iterates = ITERATIONS[name](problem)
            tol, note = float(model.tol), problem.gaps.append
            found = descend(iterates, form, problem.alpha, tol, most, monitor, positive, note)
        else:
            found, name = DIRECT[name](problem)
        solution = problem.judge.solution(found, positive)
        gap = float(np.sum(solution.gap))
        if iterative:
            problem.gaps[-1] = gap
            allowed = 1.01 * float(model.tol) + _of_rounding(problem, found.coef)
            solution.converged = found.converged and solution.kkt <= allowed
        else:
            monitor.record(solution.objective, solution.kkt)
            problem.gaps.append(gap)
    if not solution.converged and found.converged and iterative:
        warn(
            f"solver {name!r} ended at a relative gradient of {solution.kkt:.1e}, above tol={model.tol:g}: "
            f"sums over {data.x.dtype} are no more exact; raise tol, or use a direct solver",
            ConvergenceWarning,
        )
    elif not solution.converged and solution.n_iter == most and model.tol > 0:
        warn(
            f"solver {name!r} reached max_iter={most} at a relative gradient of {solution.kkt:.1e}, above "
            f"tol={model.tol:g}; raise max_iter or tol, or use a direct solver",
            ConvergenceWarning,
        )
    solution.solver, solution.history = name, monitor.history | {"gap": np.array(problem.gaps)}
    return solution


def _of_rounding(problem: Problem, B: Double) -> float:
    """The relative gradient that comes of rounding the coefficients to the dtype of X."""
    judge, off = problem.judge, B - problem.judge.rounded(B)
    if not off.any():
        return 0.0
    return 2 * optimality(problem.form.apply(off), -problem.alpha, off, judge.scale)[0]


def choose(model: Any, data: Data, seen: Blocks | None) -> str:
    """Name the solver that runs."""
    name = str(SAME.get(model.solver, model.solver))
    rows, cols = data.x.rows, data.x.cols
    if name == "svd" and data.x.sparse:
        raise ValueError("solver='svd' needs a dense X; for a sparse one use 'cholesky', 'dual' or 'cg'")
    if name in ("cholesky", "dual") and seen is None:
        return "cholesky" if cols <= rows else "dual"
    if name != "auto":
        return name
    if model.positive:
        return "cd"
    if seen is not None or cols <= min(rows, SPARSE_COLUMNS if data.x.sparse else MOST_COLUMNS):
        return "cholesky"
    return "dual" if rows < cols and rows <= (SPARSE_COLUMNS if data.x.sparse else MOST_COLUMNS) else "cg"


def _cholesky(problem: Problem) -> tuple[Found, str]:
    form, alpha, seen = problem.gram_form, problem.alpha, problem.seen
    rounding = (seen or problem.sums).rounding
    try:
        inverse, condition = direct.positive_definite(form.gram, alpha)
        settled, B = settle(problem.judge, inverse(form.linear), inverse, condition * rounding)
        if settled:
            return Found(B), "cholesky"
    except direct.Singular:
        pass
    if seen is not None:
        return Found(direct.by_triangle(seen.triangle(), seen.n_features, alpha)), "svd"
    if problem.data.x.sparse:
        eigen = direct.Eigen(form.gram, alpha)
        settled, B = settle(problem.judge, eigen(form.linear), eigen, eigen.condition * rounding)
        if (settled and eigen.drops_nothing(problem.rows)) or not direct.dense_enough(problem.data.x):
            return Found(B), "eigen"
    return _svd(problem)


def _svd(problem: Problem) -> tuple[Found, str]:
    return Found(direct.singular_values(problem.rows, problem.alpha)), "svd"


def _dual(problem: Problem) -> tuple[Found, str]:
    rows, data = problem.rows, problem.data
    inverse, correct, condition = direct.dual(rows, problem.alpha)
    rounding = condition * len(rows.y) * float(np.finfo(np.float64 if data.x.sparse else data.x.dtype).eps)
    settled, B = settle(problem.judge, inverse(rows.y), correct, rounding)
    if settled or not direct.dense_enough(data.x):
        return Found(B), "dual"
    return _svd(problem)


def _nonnegative(problem: Problem) -> tuple[Found, str]:
    alpha, x = problem.alpha, problem.data.x
    faces: GramFaces | RowFaces
    if problem.seen is None and x.rows < x.cols > MANY:
        faces = RowFaces(problem.data, problem.rows, problem.linear)
        B, ended = nonnegative_of_few_rows(faces, alpha)
    else:
        form = problem.gram_form
        faces = GramFaces(form.gram, form.linear)
        B, ended = nonnegative(form.gram, form.linear, alpha)
    B = settle(problem.judge, B, on_faces(faces, alpha, B), 1.0)[1]
    return Found(B, converged=ended), "cd"


def _cg(problem: Problem) -> tuple[Form, Iterates]:
    return problem.form, conjugate_gradients(problem.form, problem.alpha)


def _gd(problem: Problem) -> tuple[Form, Iterates]:
    step = problem.model.step
    step = None if step is None else float(np.ldexp(step, problem.data.units.curvature))
    return problem.form, gradient_descent(problem.form, problem.alpha, step)


def _admm(problem: Problem) -> tuple[Form, Iterates]:
    data, rho = problem.data, problem.model.rho
    form: GramForm | FewRowsForm = (
        FewRowsForm(problem.rows, data.units)
        if problem.seen is None and data.x.rows < data.x.cols
        else problem.gram_form
    )
    problem.form = form
    rho = None if rho is None else float(np.ldexp(rho, -data.units.curvature))
    return form, admm(form, problem.alpha, rho, bool(problem.model.positive))


def _sgd(problem: Problem) -> tuple[Form, Iterates]:
    form, step, alpha = problem.form, problem.model.step, problem.alpha
    rows = Drawn(problem.rows)
    if step is None:
        steps: Any = decaying(form, rows, alpha, BATCH)
    else:
        steps = constant(form, rows, alpha, float(np.ldexp(step, 2 * problem.data.units.x)))
    rng = generator(problem.model.random_state)
    return form, stochastic_gradients(form, rows, alpha, steps, rng, BATCH)


DIRECT = {"cholesky": _cholesky, "svd": _svd, "dual": _dual, "cd": _nonnegative}
ITERATIONS = {"cg": _cg, "gd": _gd, "admm": _admm, "sgd": _sgd}
