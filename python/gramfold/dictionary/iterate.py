"""What an iteration of dictionary learning is, and the loop over them."""

from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..coding.coder import Coder
from ..fit.checkpoint import restore, state_of
from ..fit.monitor import History, Monitor
from ..fold.source import Array
from ..keep.reader import demand
from .atoms import AtomRule, size_of, some_rows
from .codes import Flags, without


class Steps:
    """One iteration of `DictionaryLearning`, and the atoms that it would have replaced before the next.

    Parameters
    ----------
    x : Source or Observed
    coder : Coder
    rule : AtomRule
    rng : RandomState
        Draws the rows that take the place of bad atoms.
    errors : ndarray of shape (rows,), optional
        At which 'omp' and 'ols' end a row: its largest error, or what `row_budgets` makes of that.
    start : array or sparse matrix of shape (rows, k), optional
        Codes that the first iteration starts from.

    Attributes
    ----------
    codes : CSR matrix of shape (rows, k) or None
        What the next iteration starts from, if it needs any.
    faulty : ndarray of shape (k,) or None
        Which atoms are to be replaced; None is none.
    """

    kept = ("codes", "faulty", "rng")  # what a checkpoint needs, with the atoms

    def __init__(
        self, x: Any, coder: Coder, rule: AtomRule, rng: np.random.RandomState, *,
        errors: NDArray[np.float64] | None = None, start: Any = None,
    ) -> None:  # fmt: skip
        self.x, self.coder, self.rule, self.rng = x, coder, rule, rng
        self.errors, self.start = errors, start
        self.codes: Any = None
        self.faulty: Flags | None = None

    @property
    def minimises(self) -> bool:
        """Whether a lower objective is better; rows that are coded to an error are to be sparse."""
        return self.errors is None

    def __call__(self, atoms: Array) -> float:
        """Iterate once: atoms are overwritten; gives the objective of them with their codes."""
        raise NotImplementedError

    def replace(self, atoms: Array) -> bool:
        """Put rows of X in the place of faulty atoms, if there are any."""
        flags = self.faulty
        if flags is None or not flags.any():
            return False
        atoms[flags] = some_rows(self.x, int(flags.sum()), self.rule, self.rng)
        self.restore(None if self.codes is None else without(self.codes, flags), None)
        return True

    def restore(self, codes: Any, flags: Flags | None) -> None:
        """Go on from other atoms, with these codes."""
        self.codes, self.faulty = codes, flags


class Reached(NamedTuple):
    """What a fit can go back to."""

    objective: float
    atoms: Array
    codes: Any
    faulty: Flags | None


class Learned(NamedTuple):
    """What a run gives: `codes` and `faulty` as `Steps` has them."""

    objective: float
    atoms: Array
    codes: Any
    faulty: Flags | None
    converged: bool
    history: History


def learn(steps: Steps, atoms: Array, monitor: Monitor, max_iter: int, tol: float) -> Learned:
    """Iterate from atoms, which are overwritten."""
    converged = iterate(steps, atoms, monitor, max_iter, tol)
    history = monitor.history
    least = float(history["objective"].min(initial=np.inf))
    return Learned(least, atoms, steps.codes, steps.faulty, converged, history)


def _check_flags(faulty: Any, k: int) -> None:
    """Refuse the state of a checkpoint that does not say of each atom whether it is faulty."""
    flags = isinstance(faulty, np.ndarray) and faulty.dtype == bool and faulty.shape == (k,)
    demand(faulty is None or flags, "its flags of atoms are none")


def iterate(steps: Steps, atoms: Array, monitor: Monitor, max_iter: int, tol: float) -> bool:
    """Iterate until converged (True) or stopped; atoms are overwritten by the best that were reached.

    Converged is an objective that falls by at most `tol` of itself in an iteration before which no atom was
    replaced. An iteration that makes the objective rise is taken back, unless the fit is to go on (tol = 0)
    and it replaced none. After replacements in vain the atoms stay for an iteration.
    """
    last = best = Reached(np.inf, atoms.copy(), steps.codes, steps.faulty)
    converged = False
    if monitor.state is not None:
        last, best, atoms[:] = (monitor.state[name] for name in ("last", "best", "atoms"))
        restore(steps, monitor.state, steps.kept)
        for one in (steps, last, best):
            _check_flags(one.faulty, len(atoms))
        steps.start = None
    for _ in range(len(monitor.rows), max_iter):
        replaced = steps.replace(atoms)
        objective = steps(atoms)
        if objective > last.objective and (replaced or tol > 0) and steps.minimises:
            objective = _go_back(last, steps, atoms)
        little = last.objective - objective <= tol * objective
        if replaced and little:
            steps.faulty = None
        stop = monitor.record(objective, size_of(atoms - last.atoms) / (size_of(atoms) or 1.0))
        last = Reached(objective, atoms.copy(), steps.codes, steps.faulty)
        if objective <= best.objective or not steps.minimises:
            best = last
        converged = tol > 0 and little and not replaced
        if converged or stop:
            break
        monitor.keep(partial(state_of, steps, steps.kept), last=last, best=best, atoms=atoms)
    _go_back(best, steps, atoms)
    return converged


def _go_back(point: Reached, steps: Steps, atoms: Array) -> float:
    atoms[:] = point.atoms
    steps.restore(point.codes, point.faulty)
    return point.objective
