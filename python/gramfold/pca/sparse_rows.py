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
from .passes import PIECE, column_sums, rooted, stored_gram, stored_squares, stored_weight, taken_off
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

    def gram(self) -> Array:
        """A'A."""
        self.measure()
        gram: Array = run(stored_gram, self._sparse(exact=True))
        if self.mean is not None:
            a, b, c = self._rank_one
            gram += float(a @ a) * np.outer(b, b) - np.outer(c, b) - np.outer(b, c)
        return gram

    @np.errstate(over="ignore", invalid="ignore")  # the check tells
    def measure(self) -> None:
        """Find mean and squares."""
        off = np.zeros(1)
        if self.centre:
            off = self._off
            self.mean = self._shift + off
        self.squares = run(stored_squares, self._weighted(self.x.dtype))
        self._check(self.squares)
        self.squares = max(0.0, self.squares - self.weights.total * float(off @ off))
        self._check(self.squares)

    def image(self, q: Array, exact: bool = False) -> Array:
        """A'A q."""
        image = self._sparse(exact).gram_product(q).astype(np.float64)
        if self.mean is not None:
            a, b, c = self._rank_one
            image += np.outer(b, float(a @ a) * (b @ q) - c @ q) - np.outer(c, b @ q)
        return image

    def projected_gram(self, q: Array) -> Array:
        """Give q'A'A q from the products A q."""
        gram = np.zeros((q.shape[1],) * 2)
        for _, products in self._products(q):
            gram += kernels.gram(f=products, n_threads=self.x.n_threads)
        return gram

    def dense(self) -> Array:
        """A in float64: a copy, which LAPACK works on."""
        dense: Array = self._sparse(exact=True).x.toarray()
        if self.mean is not None:
            a, b, _ = self._rank_one
            dense -= np.outer(a, b)
        return dense

    def rescale(self) -> None:
        """Scale x by a power of two to numbers of at most 1, in a copy."""
        super().rescale()
        for name in ("_shift", "_shifted", "_off", "_rank_one", "_matrices"):
            self.__dict__.pop(name, None)

    def _codes(self, components: Array) -> Array:
        q = np.ascontiguousarray(components.T, self.x.dtype)
        if self.mean is None:
            return self.x.product(q)
        shift = np.where(self._full(), self.mean, 0)
        codes: Array = self._less(shift).product(q) - (self.mean - shift) @ q
        return codes.astype(self.x.dtype, copy=False)

    def _products(self, q: Array) -> Iterator[tuple[slice, Array]]:
        """A q piece by piece, in float64."""
        whole = self._sparse(exact=True)
        for part in gen_batches(self.sides[0], max(1, PIECE // q.shape[1])):
            some = whole if part.stop - part.start == self.sides[0] else whole.some(part)
            products = some.product(q)
            if self.mean is not None:
                a, b, _ = self._rank_one
                products -= np.outer(a[part], b @ q)
            yield part, products

    def _full(self) -> Array:
        """Which columns have nearly all their weight stored."""
        stored = run(stored_weight, self.x, fixed={"weights": self.weights.values})
        return np.asarray(stored > STORED * self.weights.total)

    def _less(self, shift: Array) -> Source:
        return self.x.mapped(partial(taken_off, shift=shift)) if shift.any() else self.x

    @cached_property
    def _shift(self) -> Array:
        """The means of columns of which nearly all is stored; 0 of others."""
        full = self._full()
        return np.where(full, self._column_sums(self.x), 0) / self.weights.total if full.any() else 0.0 * full

    @cached_property
    def _shifted(self) -> Source:
        return self._less(self._shift) if self.centre else self.x

    @cached_property
    def _off(self) -> Array:
        """The mean less the shift."""
        return self._column_sums(self._shifted) / self.weights.total

    def _column_sums(self, x: Source) -> Array:
        sums: Array = run(column_sums, x, fixed={"weights": self.weights.values})
        return sums

    @cached_property
    def _rank_one(self) -> tuple[Array, Array, Array]:
        """a, b, and M'a."""
        root = np.ones(self.x.rows) if self.weights.root is None else self.weights.root
        a, b = (self._off, root) if self.wide else (root, self._off)
        return a, b, run(column_sums, self._sparse(exact=True), fixed={"weights": a})

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
