"""The state of robust PCA for a dense X: one array of its size, and what the next threshold needs."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._core import kernels
from .rpca_numbers import Numbers, Totals
from .spectrum import SMALL, Leading, eigenpairs, orthonormal, spectral_norm

Array = NDArray[Any]

# A subspace of k columns costs 4 k products per entry, the Gram matrix cols / 2 + 2 k and a larger
# eigenproblem.
SUBSPACE_SHARE = 0.12
LOOSE, MOST_STEPS = 10.0, 4


class DenseState:
    """See cpp/rpca.hpp. X is taken tall: rows are those of X or, where it is wide, its columns.

    The input W of the threshold is never stored, but made from X and z in each pass. Its leading singular
    vectors come from its Gram matrix or, where few are wanted of many, from one step per iteration of a
    subspace that is kept.

    Parameters
    ----------
    x : ndarray of shape (rows, cols), float32 or float64
        NaN is unobserved.
    weights : ndarray of x's shape and dtype, or None
        lam of each entry.
    by_row : bool
        Whether outliers are rows of x.
    n_threads : int
    """

    relaxes = True

    def __init__(self, x: Array, weights: Array | None, by_row: bool, n_threads: int) -> None:
        self.x, self.weights, self.by_row, self.n_threads = x, weights, by_row, n_threads
        self.rows, self.cols = x.shape
        self.z = np.zeros(x.shape, x.dtype)
        self.left, self.right = np.empty((self.rows, 0), x.dtype), np.empty((self.cols, 0), x.dtype)
        self.gram: Array | None = None
        self.image: Array | None = None  # (W'W basis)', once the Gram matrix is not formed any more
        self._factors: Array | None = None
        self._numbers = Numbers(1.0, 1.0, 1.0, 1.0)
        self._leading = Leading(self.cols)
        self._restless = False  # whether the subspace took more than one step the last time

    def open(self, numbers: Numbers) -> None:
        """Make the input of the first threshold from z."""
        self._numbers, self.gram, self.image = numbers, np.empty((self.cols, self.cols)), None
        self._pass(numbers, gram=self.gram)

    def norm(self) -> float:
        """The spectral norm of the input that was opened."""
        assert self.gram is not None
        return spectral_norm(self.gram)

    def scale_input(self, factor: float) -> None:
        """Multiply that input by `factor`."""
        assert self.gram is not None
        self.gram *= factor**2

    def threshold(self, tau: float, accuracy: float, most: int) -> Array:
        """The singular values of the input above tau; `left` and `right` become L for `advance`."""
        values = None if self.image is None else self._from_subspace(tau, accuracy, most)
        if values is None:
            if self.gram is None:
                self.open(self._numbers)
            assert self.gram is not None
            squares, vectors = self._leading.above(self.gram, tau * tau, accuracy, most)
            values = np.sqrt(squares)
            self.right = self._cast(vectors)
            self.left, self._factors = self._rows_by(len(values)), 1 - tau / values
        return values

    def advance(self, numbers: Numbers) -> Totals:
        """Shrink and update the multipliers, for the L that `threshold` made."""
        basis = self._leading.basis
        many = self.cols <= SMALL or basis.shape[1] > SUBSPACE_SHARE * self.cols
        given: dict[str, Any] = {"v": self.right, "f": self._factors, "left": self.left}
        if many:
            self.gram, self.image = np.empty((self.cols, self.cols)) if self.gram is None else self.gram, None
            totals = self._pass(numbers, gram=self.gram, **given)
        else:
            k = basis.shape[1]
            self.gram, self.image = None, np.empty((k, self.cols), self.x.dtype)
            totals = self._pass(
                numbers, gram=np.empty((k, k)), q=self._cast(basis), image=self.image, **given
            )
        self._numbers = replace(numbers.after(), mu=numbers.mu_next)
        return totals

    def dual_norm(self) -> float:
        """The spectral norm of the multipliers."""
        gram = np.empty((self.cols, self.cols))
        self._pass(self._numbers, gram=gram, dual=True)
        return spectral_norm(gram)

    def _from_subspace(self, tau: float, accuracy: float, most: int) -> Array | None:
        """One step of the subspace, or more until it holds still; None if it gets too large for that."""
        assert self.image is not None
        leading, image = self._leading, self.image
        for step in range(MOST_STEPS):
            if image.shape[0] > SUBSPACE_SHARE * self.cols:
                return None
            basis = orthonormal(image.T.astype(np.float64))
            k = basis.shape[1]
            products, small = self._rows_by(k), np.empty((k, k))
            ahead = np.empty((k, self.cols), self.x.dtype) if self._restless and step == 0 else None
            self._pass(self._numbers, gram=small, q=self._cast(basis), products=products, image=ahead)
            squares, rotation = eigenpairs(small)
            found = int(np.count_nonzero(squares > tau * tau))
            kept, vectors = min(found, most), basis @ rotation
            complete = found < k or k == self.cols or found > most
            values, wanted = np.sqrt(squares[:kept]), vectors[:, :kept]
            tilt = wanted - leading.basis @ (leading.basis.T @ wanted)
            still = np.linalg.norm(tilt * (values - tau)) <= LOOSE * accuracy
            leading.keep(vectors, kept if complete else found)
            self._restless = step > 0 or not still
            if complete and (still or step == MOST_STEPS - 1):
                self.right, self._factors = self._cast(wanted), None
                self.left = products @ (rotation[:, :kept] * (1 - tau / values)).astype(self.x.dtype)
                return values
            if ahead is not None and complete:
                image = (rotation.T.astype(ahead.dtype) @ ahead)[: leading.basis.shape[1]]
                continue
            k = leading.basis.shape[1]
            image = np.empty((k, self.cols), self.x.dtype)
            self._pass(self._numbers, gram=np.empty((k, k)), q=self._cast(leading.basis), image=image)
        return None

    def _rows_by(self, k: int) -> Array:
        same = self.left.shape[1] == k
        return self.left if same else np.empty((self.rows, k), self.x.dtype)

    def _cast(self, vectors: Array) -> Array:
        return np.ascontiguousarray(vectors, dtype=self.x.dtype)

    def _pass(
        self, numbers: Numbers, *, gram: Array, v: Array | None = None, f: Array | None = None,
        left: Array | None = None, q: Array | None = None, products: Array | None = None,
        image: Array | None = None, dual: bool = False,
    ) -> Totals:  # fmt: skip
        return Totals(
            *kernels.shrink(
                self.x, self.weights, self.z, v, f, left, numbers.as_tuple(), self.by_row, dual, gram, q,
                products, image, self.n_threads,
            )
        )  # fmt: skip
