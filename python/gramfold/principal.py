"""Singular values and right vectors of a (centred, weighted) matrix from folds over its rows.

Three ways: the Gram matrix of the smaller side in one read; a block Krylov space, one read a step, for few
components of a large matrix; LAPACK on a copy. A Gram matrix squares the condition, so where wanted singular
values are below `TRUSTED` times the largest, the data are projected on the eigenvectors found in a second
read, and the nearly orthogonal result is decomposed: singular values are then as exact as LAPACK's.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.linalg
from numpy.typing import NDArray
from sklearn.utils import assert_all_finite

from ._core import kernels
from .fold import Source, aligned
from .spectrum import eigenpairs, orthonormal

Array = NDArray[Any]

# eps (sigma_1 / sigma_k)^2 is the relative error of sigma_k from a Gram matrix.
TRUSTED = {"float32": 1e-2, "float64": 3e-3}
FIRST_ROWS = 256
NOTHING: dict[str, Any] = dict.fromkeys(("q", "gram", "products", "image", "total"))


@dataclass(slots=True)
class Rows:
    """X as rows sqrt(w_i) (x_i - mean), never stored; without `centre` the mean is 0.

    Parameters
    ----------
    x : ndarray, or CSR matrix
    weights : ndarray of shape (n_samples,), float64, or None
    centre : bool
    n_threads : int
    """

    x: Any
    weights: Array | None
    centre: bool
    n_threads: int
    mean: Array | None = None
    squares: float = 0.0

    @property
    def total_weight(self) -> float:
        """Sum of the weights; the number of rows without."""
        return float(self.x.shape[0]) if self.weights is None else float(self.weights.sum())

    @property
    def root(self) -> Array | None:
        """Square roots of the weights."""
        return None if self.weights is None else np.sqrt(self.weights)

    def gram(self) -> Array:
        """The matrix of second moments about the mean, which is found in the same read."""
        shift, dtype = self._shift(), self.x.dtype
        near = None if shift is None else shift.astype(dtype)
        weights = None if self.weights is None else self.weights.astype(dtype)
        nothing = np.empty((self.x.shape[0], 0), dtype)
        sums = kernels.moments(aligned(self.x), nothing, near, weights, self.n_threads)
        gram, total = sums[:-1, :-1].copy(), sums[-1, :-1]
        squares = self._finite(float(np.trace(gram)))
        if near is None:
            self.mean, self.squares = None, squares
            return gram
        off = total / self.total_weight
        self.mean = near + off
        self.squares = max(0.0, squares - self.total_weight * float(off @ off))
        gram -= self.total_weight * np.outer(off, off)
        return gram

    def measure(self) -> None:
        """Find mean and squares in one read."""
        shift, total = self._shift(), np.empty(self.x.shape[1])
        squares = self._finite(self._pass(shift, total=total))
        off = total / self.total_weight if self.centre else np.zeros_like(total)
        self.mean = shift + off if self.centre else None
        self.squares = max(0.0, squares - self.total_weight * float(off @ off))

    def image(self, q: Array) -> Array:
        """Y'Y q for the rows Y; the mean must be known."""
        dtype = self.x.dtype
        basis, image = np.ascontiguousarray(q, dtype), np.empty((q.shape[1], self.x.shape[1]), dtype)
        self._pass(self.mean, q=basis, image=image)
        return image.T.astype(np.float64)

    def project(self, q: Array) -> Array:
        """Y q; the mean must be known."""
        products = np.empty((self.x.shape[0], q.shape[1]), self.x.dtype)
        self._pass(self.mean, q=np.ascontiguousarray(q, self.x.dtype), products=products)
        return products

    def projected_gram(self, q: Array) -> Array:
        """Give q'Y'Y q from the products Y q; the mean must be known."""
        gram = np.empty((q.shape[1], q.shape[1]))
        self._pass(self.mean, q=np.ascontiguousarray(q, self.x.dtype), gram=gram)
        return gram

    def _finite(self, squares: float) -> float:
        """The sum of all squares, which tells without a read of its own that X is finite."""
        if not np.isfinite(squares):
            assert_all_finite(self.x, input_name="X")
            raise ValueError("X is too large: the sum of its squares overflows")
        return squares

    def _shift(self) -> Any:
        """Near the mean, so that subtracting it later does not cancel."""
        return self.x[:FIRST_ROWS].mean(axis=0, dtype=np.float64) if self.centre else None

    def _pass(self, shift: Array | None, **wanted: Any) -> float:
        every = NOTHING | wanted
        return kernels.centred(
            aligned(self.x), shift, self.root, by_row=False, n_threads=self.n_threads, **every
        )


@dataclass(slots=True)
class SparseRows(Rows):
    """The same for CSR; centring is implicit, by the mean's rank-one part."""

    checked: Source | None = None

    def gram(self) -> Array:
        self.measure()
        x = self._source.x
        gram = np.asarray((x.T @ x).todense(), np.float64)
        return gram if self.mean is None else gram - self.total_weight * np.outer(self.mean, self.mean)

    def measure(self) -> None:
        x = self._source.x
        self.squares = float(np.sum(np.square(x.data, dtype=np.float64)))
        if self.centre:
            weights = np.ones(x.shape[0]) if self.root is None else self.root
            self.mean = np.asarray(x.T @ weights, np.float64).ravel() / self.total_weight
            self.squares = max(0.0, self.squares - self.total_weight * float(self.mean @ self.mean))

    def image(self, q: Array) -> Array:
        image = self._source.gram_product(q).astype(np.float64)
        if self.mean is not None:
            image -= self.total_weight * np.outer(self.mean, self.mean @ q)
        return image

    def project(self, q: Array) -> Array:
        products = self._source.product(q)
        if self.mean is None:
            return products
        root = 1.0 if self.root is None else self.root[:, None]
        centred: Array = (products - root * (self.mean @ q)).astype(products.dtype)
        return centred

    def projected_gram(self, q: Array) -> Array:
        products = self.project(q)
        return kernels.gram(products, self.n_threads)

    @property
    def _source(self) -> Source:
        """The weighted rows, made and checked once."""
        if self.checked is None:
            x = (
                self.x
                if self.root is None
                else self.x.multiply(self.root[:, None]).tocsr().astype(self.x.dtype)
            )
            self.checked = Source(x, self.n_threads)
        return self.checked


def by_gram(rows: Rows, wanted: int | None = None) -> tuple[Array, Array]:
    """All singular values, the largest first, and their right vectors as columns.

    `wanted`: as many are exact; None is all.
    """
    squares, vectors = eigenpairs(rows.gram())
    values = np.sqrt(squares)
    wanted = min(len(values) if wanted is None else wanted, min(rows.x.shape))
    if wanted and values[0] > 0 and values[wanted - 1] < TRUSTED[rows.x.dtype.name] * values[0]:
        return refine(rows.projected_gram(vectors), vectors)
    return values, vectors


def refine(gram: Array, vectors: Array) -> tuple[Array, Array]:
    """Singular values from the Gram matrix of nearly orthogonal columns, and the vectors rotated.

    Scaled to unit columns that matrix is well conditioned, however far the columns are apart in size.
    """
    size = np.sqrt(np.diag(gram))
    scale = np.where(size > 0, size, 1)
    unit = gram / scale / scale[:, None]
    np.fill_diagonal(unit, 1)
    try:
        r = scipy.linalg.cholesky(unit, check_finite=False) * size
    except np.linalg.LinAlgError:  # columns of rounding alone: their directions do not matter
        values, inner = eigenpairs(unit)
        r = np.sqrt(values)[:, None] * inner.T * size
    _, values, vt = scipy.linalg.svd(r, check_finite=False)
    return values, vectors @ vt.T


def by_gram_of_samples(rows: Rows, wanted: int | None = None) -> tuple[Array, Array]:
    """The same for a wide dense X without weights, from the Gram matrix of the samples."""
    x = aligned(rows.x.T)
    samples = x.shape[1]
    rows.measure()

    def fold(**wanted: Any) -> None:
        kernels.centred(x, None, None, by_row=rows.centre, n_threads=rows.n_threads, **(NOTHING | wanted))

    gram = np.empty((samples, samples))
    fold(gram=gram)
    squares, vectors = eigenpairs(gram)
    values = np.sqrt(squares)
    last = samples if wanted is None else wanted
    if values[0] > 0 and values[last - 1] < TRUSTED[x.dtype.name] * values[0]:
        fold(q=np.ascontiguousarray(vectors, x.dtype), gram=gram)
        values, vectors = refine(gram, vectors)
    right = np.empty((x.shape[0], samples), x.dtype)
    fold(q=np.ascontiguousarray(vectors, x.dtype), products=right)
    return values, orthonormal_signed(right.astype(np.float64) / np.where(values > 0, values, 1))


def orthonormal_signed(a: Array) -> Array:
    """Columns made orthonormal in order, each in its own direction."""
    q, r = scipy.linalg.qr(a, mode="economic", check_finite=False)
    signed: Array = q * np.where(np.diag(r) < 0, -1, 1)
    return signed


def by_krylov(
    rows: Rows, k: int, steps: int, oversamples: int, rng: np.random.Generator
) -> tuple[Array, Array]:
    """The k largest singular values and right vectors, from a block Krylov space (Musco & Musco 2015).

    Each of the `steps` + 1 blocks of k + oversamples columns is one read of X.
    """
    rows.measure()
    features, size = rows.x.shape[1], min(k + oversamples, *rows.x.shape)
    blocks = max(1, min(steps + 1, features // size))
    basis, images = (np.empty((features, blocks * size), order="F") for _ in range(2))
    block = orthonormal(rng.standard_normal((features, size)))
    for first in range(0, blocks * size, size):
        now, before = slice(first, first + size), basis[:, :first]
        for _ in range(2 if first else 0):
            block = orthonormal(block - before @ (before.T @ block))
        basis[:, now], images[:, now] = block, rows.image(block)
        block = images[:, now]
    small = basis.T @ images
    squares, rotation = eigenpairs((small + small.T) / 2)
    vectors = orthonormal_signed(basis @ rotation[:, :k])
    return np.sqrt(squares[:k]), vectors


def by_lapack(rows: Rows) -> tuple[Array, Array]:
    """LAPACK's decomposition of a centred copy."""
    x = rows.x.toarray() if not isinstance(rows.x, np.ndarray) else rows.x
    rows.mean = None if not rows.centre else np.average(x, axis=0, weights=rows.weights)
    y = x.copy() if rows.mean is None else (x - rows.mean).astype(x.dtype)
    if rows.root is not None:
        y *= rows.root[:, None].astype(x.dtype)
    _, values, vt = scipy.linalg.svd(y, full_matrices=False, overwrite_a=True, check_finite=False)
    rows.squares = float(np.sum(np.square(values, dtype=np.float64)))
    return values.astype(np.float64), vt.T.astype(np.float64)
