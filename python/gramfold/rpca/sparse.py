"""The state of robust PCA for a CSR X whose stored entries are the observed ones."""

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._core.results import ShrinkSums
from ..fit.checkpoint import restore, state_of
from ..fit.room import check_entries
from ..fold.engine import run
from ..fold.source import Source
from ..linalg.spectrum import Leading, largest
from . import sparse_passes as passes
from .numbers import Numbers
from .packing import Packing

Array = NDArray[Any]

LOOSE, ROUGH = 10.0, 0.1
KEPT = ("left", "right")


class SparseState:
    """The iterate, with the methods of `DenseState`.

    Unobserved, the input W of the threshold is L itself, so W = left @ right.T + E with E as sparse as X, and
    its singular vectors come from a subspace that is kept from one iteration to the next.

    Parameters
    ----------
    x : Source
        CSR.
    weights : ndarray of shape (nnz,), or None
        lam of each entry.
    by_row : bool
    """

    relaxes = False

    def __init__(self, x: Source, weights: Array | None, by_row: bool) -> None:
        self.x, self.by_row = x, by_row
        self.rows, self.cols, self.dtype = x.rows, x.cols, x.dtype
        self.left, self.right = np.zeros((self.rows, 0), self.dtype), np.zeros((self.cols, 0), self.dtype)
        parts, end = [], 0
        for rows, at in zip(x.segments, x.spans, strict=True):
            some = slice(end, end + rows.x.nnz)
            own = None if weights is None else weights[some]
            parts.append(passes.Entries(rows, at.start, np.zeros(rows.x.nnz, self.dtype), own))
            end = some.stop
            check_entries((self.rows, self.cols), self.dtype.itemsize, end)  # which files need not say before
        self.stored, self.entries = end, passes.EntryState(parts)
        self._numbers = Numbers(1.0, 1.0, 1.0, 1.0)
        self._leading, self._change = Leading(self.cols, float(np.finfo(self.dtype).eps)), 0.0
        self._nonzero = 0  # entries of E at the start

    def start(self, scale: float) -> None:
        """Begin with Y = X / scale and L = S = 0."""
        self._run(passes.start, scale)

    def resume(self, packing: Packing, left: Array, right: Array, sparse: Any, dual: Any) -> None:
        """Begin with L = left @ right.T, S and Y."""
        self._run(passes.resume, packing, sparse=sparse, dual=dual)
        self.left, self.right = left, right

    def prepare(self, numbers: Numbers) -> None:
        """Make the input of the first threshold from z, `left` and `right`."""
        shared = Packing.of(numbers, self.by_row), numbers.mu, self.right
        self._nonzero = self._run(passes.prepare, shared, left=self.left)
        self._numbers = numbers

    def kept(self) -> dict[str, Any]:
        """Give what a checkpoint needs."""
        entries = [part.kept for part in self.entries.parts]
        return state_of(self, KEPT) | {"entries": entries} | self._leading.kept()

    def restore(self, kept: dict[str, Any]) -> None:
        """Go on from that."""
        restore(self, kept, KEPT)
        for part, values in zip(self.entries.parts, kept["entries"], strict=True):
            part.take(*values)
        self._leading.restore(kept)

    def norm(self) -> float:
        """The spectral norm of the input that was prepared, without its low-rank part."""
        return self._norm_of_entries(ROUGH) if self._nonzero else 0.0

    def threshold(self, tau: float, accuracy: float, most: int) -> Array:
        """The singular values of the input above tau; `left` and `right` become L for `advance`."""
        pairs = self._leading.iterate(self._gram_product, tau * tau, LOOSE * accuracy, most, self.cols, 2)
        assert pairs is not None
        values, vectors = np.sqrt(pairs[0]), pairs[1]
        left, right = (
            np.empty((self.rows, len(values)), self.dtype),
            np.ascontiguousarray(vectors, self.dtype),
        )
        shared = self.right, vectors, 1 - tau / values
        signed = self._run(passes.take_left, shared, left=self.left, new=left)
        both = np.hstack([self.right, right])
        self._change = max(0.0, float(np.sum((both.T @ both) * signed)))  # |L_old - L|_F^2
        self.left, self.right = left, right
        return values

    def advance(self, numbers: Numbers) -> ShrinkSums:
        """Shrink and update the multipliers, for the L that `threshold` made."""
        pass_ = partial(passes.shrink, by_row=self.by_row)
        sums: ShrinkSums = self._run(pass_, (numbers, self.right), left=self.left)
        self._numbers = numbers.after()._replace(mu=numbers.mu_next)
        unobserved = 1 - self.stored / (self.rows * self.cols)  # what L moved by there, as by its share
        return sums._replace(moved=sums.moved + unobserved * self._change)

    def dual_norm(self, accuracy: float) -> float:
        """The spectral norm of the multipliers, off by at most `accuracy` of itself."""
        nonzero = self._run(passes.show_multipliers, Packing.of(self._numbers, self.by_row))
        norm = self._norm_of_entries(accuracy) if nonzero else 0.0
        self._run(passes.restore)
        return norm

    def _norm_of_entries(self, accuracy: float) -> float:
        self._leading.keep(self._leading.basis, self._leading.found)
        product = partial(self._run, passes.entries_product)
        return float(np.sqrt(largest(product, self._leading.basis, accuracy)[0]))

    def _gram_product(self, q: Array) -> Array:
        image, inside = self._run(passes.gram_product, (self.right, q), left=self.left)
        product: Array = image + self.right @ inside
        return product

    def _run(self, pass_: Any, shared: Any = None, **state: Any) -> Any:
        return run(pass_, self.x, shared, {"entries": self.entries} | state)
