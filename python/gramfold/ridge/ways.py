"""The ways from the data of `Ridge` to coefficients, a function each; `fit` chooses."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..fit.arguments import generator
from ..fit.cached import cached_property
from ..fit.monitor import Monitor
from . import direct
from .centred_rows import CentredRows
from .data import Data, Double
from .faces import GramFaces, RowFaces, TriangleFaces
from .forms import FewRowsForm, Form, GramForm, RowsForm, rows_about_means
from .moments import RidgeMoments, moments
from .nonnegative import MANY, down_from, nonnegative, nonnegative_of_few_rows, on_faces
from .orthogonal import by_triangle, dense_enough, singular_values
from .seen import Seen
from .sgd import Drawn, constant, decaying, stochastic_gradients
from .solution import TRUSTED, Judge, settle
from .solvers import Found, Held, Iterates, admm, conjugate_gradients, gradient_descent

MOST_COLUMNS = 4096  # of a Gram matrix that 'cg', 'gd' and 'sgd' form: 128 MiB
BATCH = 32


@dataclass
class RidgeProblem:
    """What a solver is given."""

    model: Any
    data: Data
    alpha: Double
    monitor: Monitor
    seen: Seen | None = None
    gaps: list[float] = field(default_factory=list)
    held: Held = field(default_factory=dict)

    @cached_property
    def sums(self) -> RidgeMoments:
        """X'X and X'y."""
        return moments(self.data)

    @cached_property
    def gram_form(self) -> GramForm:
        """X'X, formed unless it is known."""
        return GramForm(self.seen or self.sums)

    @cached_property
    def rows(self) -> CentredRows:
        """The rows, about the means that X'X was formed about, if it was."""
        if "sums" in self.__dict__:
            return CentredRows(self.data, self.sums.x_mean, self.sums.y_mean, self.sums.far)
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


def _cholesky(problem: RidgeProblem) -> tuple[Found, str]:
    form, alpha, seen = problem.gram_form, problem.alpha, problem.seen
    condition = np.inf
    try:
        with direct.small(len(form.gram)):
            inverse, condition = direct.positive_definite(form.gram, alpha)
            settled, B = _solved(problem, inverse, condition)
        if settled:
            return Found(B, converged=seen is None or _told(seen, alpha, condition)), "cholesky"
    except direct.Singular:
        pass
    if seen is not None:
        B = by_triangle(seen.triangle(), seen.n_features, alpha)
        return Found(B, converged=_told(seen, alpha, condition)), "svd"
    if (
        problem.data.x.sparse or np.ptp(alpha) > 0
    ):  # cheaper than an SVD, of which several penalties take many
        eigen = direct.Eigen(form.gram, alpha)
        settled, B = _solved(problem, eigen, eigen.condition)
        if settled and eigen.drops_nothing(problem.rows.squares, problem.data.x.rows):
            return Found(B), "eigen"
    return _svd(problem)


def _told(seen: Seen, alpha: Double, condition: float) -> bool:
    """Whether rounding leaves digits of the coefficients in sums of which the matrix has this condition."""
    if condition * seen.rounding <= TRUSTED:
        return True
    on = np.flatnonzero(seen.gram.diagonal())
    try:  # what is within blocks tells enough where only the distances between them make columns alike
        return direct.positive_definite(seen.within[np.ix_(on, on)], alpha)[1] * seen.rounding <= TRUSTED
    except direct.Singular:
        return not on.size


def _solved(problem: RidgeProblem, inverse: direct.Solve, condition: float) -> tuple[bool, Double]:
    """Solve with what is known of X'X and X'Y; refine by the data what that does not settle."""
    B = inverse(problem.gram_form.linear)
    if problem.seen is not None:
        return settle(problem.judge, B, inverse, condition * problem.seen.rounding)
    if condition * problem.sums.relative_error(B) <= problem.judge.exact:
        return True, B
    return settle(problem.judge, B, inverse, condition * problem.sums.rounding)


def _svd(problem: RidgeProblem) -> tuple[Found, str]:
    return Found(singular_values(problem.rows, problem.alpha)), "svd"


def _dual(problem: RidgeProblem) -> tuple[Found, str]:
    rows, data = problem.rows, problem.data
    inverse, correct, condition = direct.dual(rows, problem.alpha)
    rounding = condition * len(rows.y) * float(np.finfo(np.float64 if data.x.sparse else data.x.dtype).eps)
    settled, B = settle(problem.judge, inverse(rows.y), correct, rounding)
    if settled or not dense_enough(data.x):
        return Found(B, converged=settled), "dual"
    return _svd(problem)


def _nonnegative(problem: RidgeProblem) -> tuple[Found, str]:
    alpha, x, seen = problem.alpha, problem.data.x, problem.seen
    if seen is None and x.rows < x.cols > MANY:
        few = RowFaces(problem.data, problem.rows, problem.linear)
        B, ended = nonnegative_of_few_rows(few, alpha)
        B = settle(problem.judge, B, on_faces(few, alpha, B), 1.0)[1]
        return Found(B, converged=ended), "cd"
    form = problem.gram_form
    B, ended = nonnegative(form.gram, form.linear, alpha)
    try:
        settled, B = settle(problem.judge, B, on_faces(GramFaces(form.gram, form.linear), alpha, B), 1.0)
    except direct.Singular:
        settled = False
    if not settled:
        triangle = TriangleFaces(problem.rows.triangle() if seen is None else seen.triangle(), x.cols)
        B, ended = down_from(triangle, alpha, B)
        ended = ended and (seen is None or _told(seen, alpha, np.inf))
    return Found(B, converged=ended), "cd"


def _cg(problem: RidgeProblem) -> tuple[Form, Iterates]:
    return problem.form, conjugate_gradients(problem.form, problem.alpha, held=problem.held)


def _gd(problem: RidgeProblem) -> tuple[Form, Iterates]:
    step = problem.model.step
    step = None if step is None else float(np.ldexp(float(step), problem.data.units.curvature))
    return problem.form, gradient_descent(problem.form, problem.alpha, step, held=problem.held)


def _admm(problem: RidgeProblem) -> tuple[Form, Iterates]:
    data, rho = problem.data, problem.model.rho
    form: GramForm | FewRowsForm = (
        FewRowsForm(problem.rows, data.units)
        if problem.seen is None and data.x.rows < data.x.cols
        else problem.gram_form
    )
    problem.form = form
    rho = None if rho is None else float(np.ldexp(float(rho), -data.units.curvature))
    return form, admm(form, problem.alpha, rho, bool(problem.model.positive), problem.held)


def _sgd(problem: RidgeProblem) -> tuple[Form, Iterates]:
    form, step, alpha = problem.form, problem.model.step, problem.alpha
    rows = Drawn(problem.rows)
    if step is None:
        steps: Any = decaying(form, rows, alpha, BATCH)
    else:
        steps = constant(form, rows, alpha, float(np.ldexp(float(step), 2 * problem.data.units.x)))
    rng = generator(problem.model.random_state)
    return form, stochastic_gradients(form, rows, alpha, steps, rng, BATCH, problem.held)


DIRECT = {"cholesky": _cholesky, "svd": _svd, "dual": _dual, "cd": _nonnegative}
ITERATIONS = {"cg": _cg, "gd": _gd, "admm": _admm, "sgd": _sgd}
