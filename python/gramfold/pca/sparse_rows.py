"""The matrix that is decomposed, of a CSR X: sparse, less a matrix of rank one that holds the mean.

The mean is taken off products, never off X, which would not stay sparse.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import gen_batches

from .._core import kernels
from ..fit.cached import cached_property
from ..fold.engine import run
from ..fold.source import Source
from .passes import PIECE, exact_gram, exact_image, moments, rooted, stored_sums, taken_off
from .rows import Rows

Array = NDArray[Any]

# Taking a mean off products loses digits where it is large beside the spread. If a share u of a column's
# weight is not stored, its variance is at least u times its mean square. So only nearly full columns are in
# danger; of these the mean is taken off the entries themselves.
STORED = 0.9


class SparseRows(Rows):
    """CSR as the decompositions take it: A = M - a b'.

    M is X, weighted, less the means of its nearly full columns; a b' has the means of the others.
    """

    @np.errstate(over="ignore", invalid="ignore")  # the check tells
    def gram(self, exact: bool = True) -> Array:
        """A'A; of a tall A mean and squares are found in the same read, unless a mean lies far from 0."""
        if self.wide:
            self.measure()
            gram: Array = run(moments, self._sparse(exact=True), fixed={"weights": None})[:-1, :-1].copy()
            if self.mean is not None:
                a, b, c = self._rank_one
                gram += float(a @ a) * np.outer(b, b) - np.outer(c, b) - np.outer(b, c)
            return gram
        gram, off = self._moments_of(self.x)
        self.mean = off if self.centre else None
        if self.centre and self._far(off, 0.0, np.diag(gram)):
            gram, off = self._moments_of(self._shifted)
            self.mean = self._shift + off
        self.squares = max(0.0, float(np.trace(gram)))
        self._check(self.squares)
        return gram

    @np.errstate(over="ignore", invalid="ignore")  # the check tells
    def measure(self) -> None:
        """Find mean and squares."""
        self._check(float(self._of_columns[2].sum()))
        squares = float(self._of_shifted[2].sum())
        if self.centre:
            self.mean = self._shift + self._off
            squares -= self.weights.total * float(self._off @ self._off)
        self.squares = max(0.0, squares)
        self._check(self.squares)

    def image(self, q: Array, exact: bool = False) -> Array:
        """A'A q."""
        if exact and not self.wide:
            image = run(exact_image, self._shifted, q, fixed={"root": self.weights.root})
        else:
            image = self._sparse(exact).gram_product(q).astype(np.float64)
        if self.centre and self.wide:
            a, b, c = self._rank_one
            image += np.outer(b, float(a @ a) * (b @ q) - c @ q) - np.outer(c, b @ q)
        elif self.centre:
            image -= self.weights.total * np.outer(self._off, self._off @ q)
        return np.asarray(image)

    def projected_gram(self, q: Array) -> Array:
        """Give q'A'A q from the products A q."""
        if not self.wide:
            off = self._off @ q if self.centre else np.zeros(q.shape[1])
            return np.asarray(run(exact_gram, self._shifted, (q, off), fixed={"root": self.weights.root}))
        gram = np.zeros((q.shape[1],) * 2)
        for _, products in self._products(q):
            gram += kernels.gram(f=products, n_threads=self.x.n_threads)
        return gram

    def rescale(self) -> None:
        """Scale x by a power of two to numbers of at most 1, in a copy."""
        super().rescale()
        for name in ("_of_columns", "_shift", "_shifted", "_of_shifted", "_off", "_rank_one", "_matrices"):
            self.__dict__.pop(name, None)

    def _codes(self, components: Array) -> Array:
        q = np.ascontiguousarray(components.T, self.x.dtype)
        if self.mean is None:
            return self.x.product(q)
        shift = np.where(self._full, self.mean, 0)
        codes: Array = self._less(shift).product(q) - (self.mean - shift) @ q
        return codes.astype(self.x.dtype, copy=False)

    def _products(self, q: Array) -> Iterator[tuple[slice, Array]]:
        """A q piece by piece of a wide A, in float64."""
        whole = self._sparse(exact=True)
        for part in gen_batches(self.sides[0], max(1, PIECE // q.shape[1])):
            some = whole if part.stop - part.start == self.sides[0] else whole.some(part)
            products = some.product(q)
            if self.mean is not None:
                a, b, _ = self._rank_one
                products -= np.outer(a[part], b @ q)
            yield part, products

    def _moments_of(self, x: Source) -> tuple[Array, Array]:
        """A'A of a tall A, and the mean of these rows, for A their differences from it."""
        sums = run(moments, x, fixed={"weights": self.weights.values})
        gram, off = sums[:-1, :-1].copy(), sums[-1, :-1] / self.weights.total
        self._check(float(np.trace(gram)))
        if self.centre:
            gram -= self.weights.total * np.outer(off, off)
        return gram, off

    def _less(self, shift: Array) -> Source:
        return self.x.mapped(partial(taken_off, shift=shift)) if shift.any() else self.x

    @cached_property
    def _of_columns(self) -> Array:
        return np.asarray(run(stored_sums, self.x, fixed={"weights": self.weights.values}))

    @property
    def _full(self) -> Array:
        """Which columns have nearly all their weight stored."""
        return np.asarray(self._of_columns[0] > STORED * self.weights.total)

    @cached_property
    def _shift(self) -> Array:
        """The means of columns of which nearly all is stored; 0 of others."""
        return np.where(self._full, self._of_columns[1], 0) / self.weights.total

    @cached_property
    def _shifted(self) -> Source:
        return self._less(self._shift) if self.centre else self.x

    @cached_property
    def _of_shifted(self) -> Array:
        if self._shifted is self.x:
            return self._of_columns
        return np.asarray(run(stored_sums, self._shifted, fixed={"weights": self.weights.values}))

    @cached_property
    def _off(self) -> Array:
        """The mean less the shift."""
        return np.asarray(self._of_shifted[1] / self.weights.total)

    @cached_property
    def _rank_one(self) -> tuple[Array, Array, Array]:
        """a, b, and M'a of a wide A."""
        a, b = self._off, np.ones(self.x.rows) if self.weights.root is None else self.weights.root
        return a, b, run(stored_sums, self._sparse(exact=True), fixed={"weights": a})[1]

    @cached_property
    def _matrices(self) -> dict[Any, Source]:
        """The rows of M in the types that were asked for."""
        return {}

    def _weighted(self, dtype: Any) -> Source:
        if dtype not in self._matrices:
            x, root = self._shifted, self.weights.root
            same = root is None and dtype == x.dtype
            self._matrices[dtype] = x if same else x.mapped(partial(rooted, dtype=dtype), {"root": root})
        return self._matrices[dtype]

    def _sparse(self, exact: bool) -> Source:
        """M; of a wide A a transpose of all of X, for which segments are copied together."""
        weighted = self._weighted(np.dtype(np.float64) if exact else self.x.dtype)
        return weighted.transposed if self.wide else weighted
