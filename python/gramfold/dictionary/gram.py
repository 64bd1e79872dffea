"""Codes of all rows in one pass, and atoms updated by the sums that it gives."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._core import kernels
from ..coding.codes import Coded, Dictionary
from ..fit.floats import name_of
from ..fold.engine import run
from ..fold.source import Array, Source
from .atoms import AtomRule, faulty, gram_of, least_use
from .codes import Flags
from .iterate import Steps
from .units import code_in_unit, error_again, squared_error

# Where the fit is less than this share of |X|^2, a difference of sums over X is not exact enough for it.
CANCELLED = {"float32": 0.02, "float64": 1e-4}


class GramSteps(Steps):
    """Codes by any coder in one pass, atoms from Z'X and Z'Z (Mairal, Bach, Ponce & Sapiro 2010)."""

    gram: NDArray[np.float64] | None = None  # DD', while atoms stay as they are

    def restore(self, codes: Any, flags: Flags | None) -> None:
        """Go on from other atoms."""
        super().restore(codes, flags)
        self.gram = None

    def __call__(self, atoms: Array) -> float:
        """Iterate once."""
        x, rule = self.x, self.rule
        gram = gram_of(atoms, x.n_threads) if self.gram is None else self.gram
        shared = Dictionary(np.array(atoms.T, order="C"), gram)
        given = {"start": self.start, "enough": self.errors}
        done = code_in_unit(x, shared.atoms, self.coder, gram=gram, sums=True, keep=x.held, **given)
        assert done.gram is not None
        assert done.products is not None
        self.start, penalty = None, done.penalty
        squares = np.diag(done.gram)
        least = least_use(rough_fit(x, done, atoms, gram) + penalty, squares, rule, x.dtype)
        update(atoms, done.gram, done.products, rule, least)
        unused = squares <= least
        if rule.penalised:
            atoms[unused] = 0
        self.gram = gram_of(atoms, x.n_threads)
        self.faulty = faulty(self.gram, unused, rule, self.coder.nonneg)
        again = partial(error_again, x, shared, self.coder, atoms, **given)
        return fit_of(x, done, atoms, self.gram, again) + penalty + rule(atoms)


def update(
    atoms: Array, gram: NDArray[np.float64], products: Array, rule: AtomRule, unused: float, sweeps: int = 1
) -> None:
    """Update the atoms (k, m) in place for Z'Z `gram` and X'Z `products` (m, k)."""
    scale = 2.0 ** -np.frexp(np.diag(gram).max(initial=0.0))[1]  # of any size codes may be: 1 for the kernel
    kernels.update_atoms(
        atoms=atoms,
        gram=gram * scale,
        products=np.ascontiguousarray(products.T * scale, dtype=atoms.dtype),
        l1=rule.l1 * scale,
        l2=rule.l2 * scale,
        nonneg=rule.nonneg,
        ball=rule.ball,
        unused=unused * scale,
        sweeps=sweeps,
    )


def rough_fit(x: Source, done: Coded, atoms: Array, gram: NDArray[np.float64]) -> float:
    """Half of |X - ZD|^2 for codes from one pass and DD' `gram`; a difference, which may cancel."""
    assert done.products is not None
    assert done.gram is not None
    product = np.vdot(done.products.T, atoms.astype(np.float64))
    return float(0.5 * x.squared_norm - product + 0.5 * np.vdot(done.gram, gram))


def fit_of(
    x: Source, done: Coded, atoms: Array, gram: NDArray[np.float64], again: Callable[[], float] | None = None
) -> float:
    """Half of |X - ZD|^2, from the rows themselves where the difference cancels.

    `again` gives |X - ZD|^2 where codes were not kept.
    """
    fit = rough_fit(x, done, atoms, gram)
    if fit > CANCELLED[name_of(x.dtype)] * x.squared_norm:
        return fit
    if done.codes is None and again is not None:
        return 0.5 * again()
    return 0.5 * float(run(squared_error, x, atoms, {"codes": done.codes}))
