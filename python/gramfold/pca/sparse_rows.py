"""The same of a CSR matrix: centring is implicit, a matrix of rank one that is taken off every product."""

from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.utils import gen_batches

from .._core import kernels
from ..fold.source import Source
from .rows import PIECE, Rows

Array = NDArray[Any]

# A column with a share u of its weight not stored has a variance of at least u times its mean square: taking
# off the mean cancels only where nearly everything is stored, and there it can be taken off what is stored.
STORED = 0.9


class SparseRows(Rows):
    """CSR as the decompositions take it: A = M - a b', M sparse, b about the size of M's spread or less."""

    def gram(self) -> Array:
        """A'A."""
        self.measure()
        m = self._source(True).x
        gram = np.asarray((m.T @ m).todense())
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
        self.squares = float(np.sum(np.square(self._rooted(self._shifted), dtype=np.float64)))
        self._check(self.squares)
        self.squares = max(0.0, self.squares - self.weights.total * float(off @ off))
        self._check(self.squares)

    def image(self, q: Array, exact: bool = False) -> Array:
        """A'A q."""
        image = self._source(exact).gram_product(q).astype(np.float64)
        if self.mean is not None:
            a, b, c = self._rank_one
            image += np.outer(b, float(a @ a) * (b @ q) - c @ q) - np.outer(c, b @ q)
        return image

    def projected_gram(self, q: Array) -> Array:
        """Give q'A'A q from the products A q."""
        gram = np.zeros((q.shape[1],) * 2)
        for _, products in self._products(q):
            gram += kernels.gram(f=products, n_threads=self.n_threads)
        return gram

    def dense(self) -> Array:
        """A in float64."""
        dense = self._source(True).x.toarray()
        if self.mean is not None:
            a, b, _ = self._rank_one
            dense -= np.outer(a, b)
        return dense

    @property
    def _values(self) -> Array:
        return np.asarray(self.x.data)

    def _replace(self, values: Array) -> None:
        self.x = _like(self.x, values)
        for name in ("_shift", "_shifted", "_off", "_rank_one", "_sources"):
            self.__dict__.pop(name, None)

    def _codes(self, q: Array) -> Array:
        if self.mean is None:
            return Source(self.x, self.n_threads).product(q)
        shift = np.where(_full(self.x, None), self.mean, 0)
        products = Source(taken_off(self.x, shift), self.n_threads).product(q)
        return np.asarray(products - (self.mean - shift) @ q)

    def _products(self, q: Array) -> Iterator[tuple[slice, Array]]:
        whole = self._source(True)
        for part in gen_batches(self.sides[0], max(1, PIECE // q.shape[1])):
            some = whole if part.stop - part.start == self.sides[0] else Source(whole.x[part], self.n_threads)
            products = some.product(q)
            if self.mean is not None:
                a, b, _ = self._rank_one
                products -= np.outer(a[part], b @ q)
            yield part, products

    @cached_property
    def _shift(self) -> Array:
        """The means of columns of which nearly all is stored; 0 of others."""
        full = _full(self.x, self.weights.values)
        return np.where(full, self._column_sums(self.x), 0) / self.weights.total if full.any() else 0.0 * full

    @cached_property
    def _shifted(self) -> Any:
        return taken_off(self.x, self._shift) if self.centre else self.x

    @cached_property
    def _off(self) -> Array:
        """The mean less the shift."""
        return self._column_sums(self._shifted) / self.weights.total

    def _column_sums(self, x: Any) -> Array:
        weights = np.ones(x.shape[0]) if self.weights.values is None else self.weights.values
        return np.asarray(x.T @ weights, np.float64).ravel()

    @cached_property
    def _rank_one(self) -> tuple[Array, Array, Array]:
        """a, b, and M'a."""
        root = np.ones(self.x.shape[0]) if self.weights.root is None else self.weights.root
        a, b = (self._off, root) if self.wide else (root, self._off)
        return a, b, np.asarray(self._source(True).x.T @ a).ravel()

    def _rooted(self, x: Any) -> Array:
        """What is stored of x, times the roots of the weights."""
        if self.weights.root is None:
            return np.asarray(x.data)
        root = np.repeat(self.weights.root, np.diff(x.indptr))
        return np.asarray((root * x.data).astype(x.dtype))

    @cached_property
    def _sources(self) -> dict[Any, Source]:
        """M, in the types that were asked for."""
        return {}

    def _source(self, exact: bool) -> Source:
        dtype = np.dtype(np.float64) if exact else self.x.dtype
        if dtype not in self._sources:
            x = self._shifted
            same = self.weights.root is None and dtype == x.dtype
            source = Source(x if same else _like(x, self._rooted(x).astype(dtype)), self.n_threads)
            self._sources[dtype] = source.transposed if self.wide else source
        return self._sources[dtype]


def taken_off(x: Any, shift: Array) -> Any:
    """A CSR matrix less a row that is 0 but for columns of which nearly all is stored."""
    full = np.flatnonzero(shift)
    if not len(full):
        return x
    values = (x.data - shift[x.indices]).astype(x.dtype)
    rows = np.repeat(np.arange(x.shape[0]), np.diff(x.indptr))
    place = np.full(x.shape[1], -1)
    place[full] = np.arange(len(full))
    inside = place[x.indices]
    open_ = np.ones((x.shape[0], len(full)), bool)
    open_[rows[inside >= 0], inside[inside >= 0]] = False
    if not open_.any():
        return _like(x, values)
    more, which = np.nonzero(open_)
    columns = full[which]
    entries = np.concatenate([values, -shift[columns].astype(x.dtype)])
    where = np.concatenate([rows, more]), np.concatenate([x.indices, columns])
    return sp.coo_array((entries, where), shape=x.shape).tocsr()


def _full(x: Any, weights: Array | None) -> Array:
    """Columns of which nearly all the weight is stored."""
    if weights is None:
        return np.bincount(x.indices, minlength=x.shape[1]) > STORED * x.shape[0]
    weighted = np.repeat(weights, np.diff(x.indptr))
    stored = np.bincount(x.indices, weighted, minlength=x.shape[1])
    return np.asarray(stored > STORED * float(weights.sum()))


def _like(x: Any, values: Array) -> Any:
    """A CSR matrix of these entries where x has its own."""
    return sp.csr_array((values, x.indices, x.indptr), shape=x.shape)
