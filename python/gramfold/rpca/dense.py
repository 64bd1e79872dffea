"""The state of robust PCA for a dense X: one array of its size, and what the next threshold needs."""

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._core import kernels
from ..fit.floats import stored
from ..linalg.spectrum import DENSE_NORM, SMALL, Leading, eigenpairs, largest, orthonormal, spectral_norm
from .numbers import Numbers, Totals

Array = NDArray[Any]

# A subspace of k columns costs 3 k products per entry, the Gram matrix cols / 2 + 2 k and a larger
# eigenproblem.
SUBSPACE_SHARE = 0.12
LOOSE, MOST_STEPS, ROUGH = 10.0, 4, 0.1
CANCELLED = 1e-12  # of 1: what is left of a square of that is not to be trusted
FAINT = 1e-24  # of the largest square: smaller ones are rounding


class DenseState:
    """See cpp/rpca/pass.hpp. X is taken tall: rows are those of X or, where it is wide, its columns.

    The input W of the threshold is never stored, but made from X and z in each pass. Its leading singular
    vectors come from its Gram matrix or, where few are wanted of many, from half a step per iteration of a
    subspace that is kept: the right vectors are sought in the image of the last left ones.

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
        self.image: Array | None = None  # spans the basis to come, where no Gram matrix is formed
        self._lefts: Array | None = None  # left singular vectors, those of the guards too
        self._factors: Array | None = None
        self._numbers = Numbers(1.0, 1.0, 1.0, 1.0)
        self._leading = Leading(self.cols)
        self._restless = False  # whether the subspace took more than one step the last time

    def open(self, numbers: Numbers) -> None:
        """Take the input of the first threshold from z."""
        self._numbers, self.gram, self.image, self._lefts = numbers, None, None, None

    def norm(self) -> float:
        """The spectral norm of the input that was opened."""
        if self.cols <= DENSE_NORM:
            self.gram = self._gram()
            return spectral_norm(self.gram)
        self._leading.keep(self._leading.basis, self._leading.found)
        square, self._leading.basis, image = largest(self._image_of, self._leading.basis, ROUGH)
        self.image = self._cast(image.T)
        return float(np.sqrt(square))

    def threshold(self, tau: float, accuracy: float, most: int) -> Array:
        """The singular values of the input above tau; `left` and `right` become L for `advance`."""
        if self.image is None and self.gram is None and self.cols > DENSE_NORM:
            self._leading.keep(self._leading.basis, self._leading.found)
            self.image = self._cast(self._image_of(self._leading.basis).T)
        values = None if self.image is None else self._from_subspace(tau, accuracy, most)
        if values is None:
            gram = self._gram() if self.gram is None else self.gram
            squares, vectors = self._leading.above(gram, tau * tau, accuracy, most)
            self._lefts = None
            values = np.sqrt(squares)
            self.right = self._cast(vectors)
            self.left, self._factors = self._rows_by(len(values)), 1 - tau / values
        return values

    def advance(self, numbers: Numbers) -> Totals:
        """Shrink and update the multipliers, for the L that `threshold` made."""
        basis = self._leading.basis
        few = self.cols > SMALL and 0 < basis.shape[1] <= SUBSPACE_SHARE * self.cols
        given: dict[str, Any] = {"v": self.right, "f": self._factors, "left": self.left}
        if few:
            k = basis.shape[1]
            self.gram, self.image = None, np.empty((k, self.cols), self.x.dtype)
            if self._lefts is None:
                given |= {"q": self._cast(basis), "gram": np.empty((k, k))}
            totals = self._pass(numbers, products=self._lefts, image=self.image, **given)
        else:
            self.gram, self.image = np.empty((self.cols, self.cols)) if self.gram is None else self.gram, None
            self._lefts = None
            totals = self._pass(numbers, gram=self.gram, **given)
        self._numbers = replace(numbers.after(), mu=numbers.mu_next)
        return totals

    def dual_norm(self, accuracy: float) -> float:
        """The spectral norm of the multipliers, off by at most `accuracy` of itself."""
        if self.cols <= DENSE_NORM:
            return spectral_norm(self._gram(dual=True))
        self._leading.keep(self._leading.basis, self._leading.found)
        return float(np.sqrt(largest(partial(self._image_of, dual=True), self._leading.basis, accuracy)[0]))

    def _gram(self, *, dual: bool = False) -> Array:
        gram = np.empty((self.cols, self.cols))
        self._pass(self._numbers, gram=gram, dual=dual)
        return gram

    def _image_of(self, basis: Array, *, dual: bool = False) -> Array:
        """W'W basis."""
        k = basis.shape[1]
        image = np.empty((k, self.cols), self.x.dtype)
        self._pass(self._numbers, gram=np.empty((k, k)), q=self._cast(basis), image=image, dual=dual)
        return image.T.astype(np.float64)

    def _from_subspace(self, tau: float, accuracy: float, most: int) -> Array | None:
        """One step of the subspace, or more until it holds still; None if it gets too large for that."""
        assert self.image is not None
        leading, image, steps = self._leading, self.image, 0
        while image.shape[0] <= SUBSPACE_SHARE * self.cols:
            basis = orthonormal(image.T.astype(np.float64))
            k = basis.shape[1]
            products, small = self._rows_by(k), np.empty((k, k))
            ahead = np.empty((k, self.cols), self.x.dtype) if self._restless and steps == 0 else None
            self._pass(self._numbers, gram=small, q=self._cast(basis), products=products, image=ahead)
            squares, rotation = eigenpairs(small)
            found = int(np.count_nonzero(squares > tau * tau))
            kept, vectors = min(found, most), basis @ rotation
            complete = found < k or k == self.cols or found > most
            values, wanted = np.sqrt(squares[:kept]), vectors[:, :kept]
            still = self._error(wanted, values, tau, float(squares[-1])) <= LOOSE * accuracy
            leading.keep(vectors, kept if complete else found)
            self._restless = steps > 0 or not still
            steps += complete
            if complete and (still or steps == MOST_STEPS):
                self._lefts = self._left_vectors(products, rotation, squares)
                self.right, self._factors = self._cast(wanted), None
                self.left = self._lefts[:, :kept] * (values - tau).astype(self.x.dtype)
                return values
            if ahead is not None and complete:
                image = (rotation.T.astype(ahead.dtype) @ ahead)[: leading.basis.shape[1]]
                continue
            image = self._cast(self._image_of(leading.basis).T)
        return None

    def _error(self, wanted: Array, values: Array, tau: float, last: float) -> float:
        """About how far L is from convergence: what it moved by, less each half step by last / value."""
        weights = (values - tau) * np.sqrt(last) / values
        inside = self._leading.basis.T @ wanted
        squares = np.square(weights) @ (1 - np.sum(np.square(inside), axis=0))
        if squares < CANCELLED * (weights @ weights):
            squares = np.sum(np.square((wanted - self._leading.basis @ inside) * weights))
        return float(np.sqrt(squares))

    def _left_vectors(self, products: Array, rotation: Array, squares: Array) -> Array:
        """As many as the basis has columns; random ones where those are new."""
        k, least = self._leading.basis.shape[1], max(FAINT * squares[0], np.finfo(np.float64).tiny)
        known = min(k, len(squares))
        scale = 1 / np.sqrt(np.maximum(squares[:known], least))
        lefts: Array = products @ (rotation[:, :known] * scale).astype(self.x.dtype)
        if known == k:
            return lefts
        new = np.random.default_rng(0).standard_normal((self.rows, k - known)) / np.sqrt(self.rows)
        return np.hstack([lefts, new.astype(self.x.dtype)])

    def _rows_by(self, k: int) -> Array:
        same = self.left.shape[1] == k
        return self.left if same else np.empty((self.rows, k), self.x.dtype)

    def _cast(self, vectors: Array) -> Array:
        return np.ascontiguousarray(vectors, dtype=self.x.dtype)

    def _pass(
        self, numbers: Numbers, *, gram: Array | None = None, v: Array | None = None, f: Array | None = None,
        left: Array | None = None, q: Array | None = None, products: Array | None = None,
        image: Array | None = None, dual: bool = False,
    ) -> Totals:  # fmt: skip
        return Totals(
            *kernels.shrink(
                x=stored(self.x),
                weights=self.weights,
                z=self.z,
                v=v,
                f=f,
                left=left,
                numbers=numbers.as_tuple(),
                by_row=self.by_row,
                dual=dual,
                gram=gram,
                q=q,
                products=products,
                image=image,
                n_threads=self.n_threads,
            )
        )
