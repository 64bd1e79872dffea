"""The matrix that is decomposed: X centred and weighted, never stored, of which sums over rows are found.

Y has the rows sqrt(w_i) (x_i - mean). A is Y, or Y' where Y is wide, so that A has at least as many rows as
columns. Gram matrices and bases belong to the columns of A, the short side of X: nothing is as large as the
square of the long one.
"""

import copy
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import gen_batches

from ..fit.floats import name_of
from ..fit.row_weights import RowWeights
from ..fold.engine import run
from ..fold.source import Source
from ..linalg.spectrum import orthonormal_rows
from .passes import PIECE, Centre, centred, kept, moments

Array = NDArray[Any]

FIRST_ROWS = 256
# For sums of squares in this range no product over- or underflows: in float32 no square, in float64, the type
# of Gram matrices, no square of a square.
SAFE = {"float32": (1e-16, 1e28), "float64": (1e-100, 1e100)}
CANCELS = 1e3  # times the spread taken off a sum of squares: three digits are lost, a better shift is due


class OutOfRangeError(Exception):
    """Squares leave the range of their type; see `in_range`."""


class Rows:
    """A dense X as the decompositions take it.

    Parameters
    ----------
    x : Source
    weights : RowWeights
    centre : bool
        Without, the mean is 0.
    estimator : object
        Whose X it is, for messages about NaN.

    Attributes
    ----------
    x : Source
        The rows of weight above 0.
    mean : ndarray of shape (n_features,), or None
    squares : float
        The sum of the squares of A.
    exponent : int
        x is 2**-exponent times the X that was given.
    """

    def __init__(self, x: Source, weights: RowWeights, centre: bool, estimator: Any) -> None:
        if weights.kept is not None:
            mask = np.zeros(x.rows, bool)
            mask[weights.kept] = True
            x = x.mapped(kept, {"kept": mask})
        self.x, self.weights, self.centre, self.estimator = x, weights, centre, estimator
        self.mean: Array | None = None
        self.squares = 0.0
        self.exponent, self._scaled = 0, False
        self._measured = False

    @property
    def wide(self) -> bool:
        """Whether A is the transpose."""
        return self.x.rows < self.x.cols

    @property
    def sides(self) -> tuple[int, int]:
        """The longer and the shorter side."""
        return max(self.x.rows, self.x.cols), min(self.x.rows, self.x.cols)

    @property
    def size(self) -> float:
        """The norm of the weighted rows as they were given, not centred: rounding is relative to it."""
        off = 0.0 if self.mean is None else self.weights.total * float(self.mean @ self.mean)
        return float(np.sqrt(self.squares + off))

    @property
    def most_rank(self) -> int:
        """The rank of A is no higher: the roots of the weights times centred rows are 0."""
        return self.sides[1] - (self.wide and self.centre)

    def grams(self, exact: bool = False) -> Iterator[tuple[Array, str]]:
        """A'A and the type of its sums; a dense float32 X is summed up in float64 only on request."""
        if self.x.dtype == np.float32 and not (exact or self.x.sparse):
            yield self.gram(), "float32"
        yield self.gram(exact=True), "float64"

    def some_columns(self, count: int) -> "Rows":
        """As many columns, from all over X, as a matrix of their own."""
        some = copy.copy(self)
        some.x = self.x.columns(slice(None, None, -(-self.x.cols // count))).transposed
        return some

    def gram(self, exact: bool = False) -> Array:
        """A'A, `exact` in float64; mean and squares are found in the same read unless A is wide."""
        if self.wide:
            self.measure()
            return self._sums("gram", exact=exact).gram
        shift = self._first_mean()
        gram, off = self._moments(shift, exact)
        if shift is not None and self._far(off, shift, np.diag(gram)):
            gram, off = self._moments(shift + off, exact)
        return gram

    def measure(self) -> None:
        """Find mean and squares, once: in one read, or in two if the first rows lie far from the others."""
        if self._measured:
            return
        shift = self._first_mean()
        squares, off = self._total(shift)
        if shift is not None and self._far(float(np.linalg.norm(off)), float(np.linalg.norm(shift)), squares):
            self._total(shift + off)
        self._measured = True

    def image(self, q: Array, exact: bool = False) -> Array:
        """A'A q; `exact`: in float64 whatever the type of X."""
        return self._sums("image", q=q, exact=exact).image.T

    def projected_gram(self, q: Array) -> Array:
        """Give q'A'A q from the products A q, in float64 whatever the type of X."""
        return self._sums("gram", q=q, exact=True).gram

    def components(self, values: Array, vectors: Array) -> Array:
        """Right singular vectors of Y as rows, of its singular values and A's right vectors as columns.

        Where a value is 0, or there is no vector, the row is any that is orthogonal to the others.
        """
        if not self.wide:
            return np.ascontiguousarray(vectors.T)
        q = np.zeros((vectors.shape[0], len(values)))
        q[:, : vectors.shape[1]] = vectors / np.where(values > 0, values, 1)[: vectors.shape[1]]
        rows = np.empty((len(values), self.sides[0]))
        for part, products in self._products(q):
            rows[:, part] = products.T
        return orthonormal_rows(rows, values == 0, float(np.finfo(self.x.dtype).eps))

    def codes(self, components: Array) -> Array:
        """(X - mean) times the transposed components, without weights."""
        most = max(1, 4 * PIECE // components.shape[1])
        if len(components) <= most:
            return self._codes(components)
        out = np.empty((self.x.rows, len(components)), self.x.dtype)
        for part in gen_batches(len(components), most):
            out[:, part] = self._codes(components[part])
        return out

    def dense(self) -> Array:
        """A in float64: a copy, which LAPACK works on."""
        root, mean = self.weights.root, 0.0 if self.mean is None else self.mean
        y = self.x.x.astype(np.float64) - mean
        if root is not None:
            y *= root[:, None]
        return y.T if self.wide else y

    def rescale(self) -> None:
        """Scale x by a power of two to numbers of at most 1, in a copy."""
        self.exponent, self._scaled, self._measured = int(np.frexp(self.x.largest)[1]), True, False
        self.x = self.x.times_power(-self.exponent)

    @property
    def _long(self) -> Source:
        """The rows of A."""
        return self.x.transposed if self.wide else self.x

    def _sums(self, *wanted: str, q: Array | None = None, exact: bool = False) -> Any:
        """Sums over rows of A."""
        root = self.weights.root
        if self.wide:
            centre, root = Centre(scale=root, by_row=self.centre), None
        else:
            centre = Centre(shift=self.mean)
        pass_ = partial(centred, wanted=wanted, exact=exact)
        return run(pass_, self._long, (centre, q), fixed={"root": root})

    def _codes(self, components: Array) -> Array:
        out = self.x.kept(len(components))
        run(centred, self.x, (Centre(shift=self.mean), components.T), {"products": out})
        return np.asarray(out)

    def _products(self, q: Array) -> Iterator[tuple[slice, Array]]:
        """A q piece by piece of a wide A, in float64."""
        centre = Centre(scale=self.weights.root, by_row=self.centre)
        for part in gen_batches(self.sides[0], max(1, PIECE // sum(q.shape))):
            some = self.x.columns(part)
            products = np.empty((some.rows, q.shape[1]))
            run(partial(centred, exact=True), some, (centre, q), {"products": products})
            yield part, products

    def _moments(self, shift: Array | None, exact: bool) -> tuple[Array, Array]:
        """A'A of a tall A from sums about the shift, and the mean less the shift."""
        dtype, total = np.dtype(np.float64) if exact else self.x.dtype, self.weights.total
        near = None if shift is None else shift.astype(dtype)
        weights = None if self.weights.values is None else self.weights.values.astype(dtype)
        sums = run(partial(moments, dtype=dtype), self.x, near, fixed={"weights": weights})
        gram, off = sums[:-1, :-1].copy(), sums[-1, :-1] / total
        self._check(float(np.trace(gram)))
        if near is None:
            self.squares = float(np.trace(gram))
            return gram, np.zeros_like(off)
        gram -= total * np.outer(off, off)
        self.mean, self.squares = near + off, max(0.0, float(np.trace(gram)))
        self._check(self.squares)
        return gram, off

    def _total(self, shift: Array | None) -> tuple[float, Array]:
        """Squares from sums about the shift, and the mean less the shift."""
        shared, fixed = (Centre(shift=shift), None), {"root": self.weights.root}
        sums: Any = run(partial(centred, wanted=("total",)), self.x, shared, fixed=fixed)
        self._check(sums.squares)
        total = self.weights.total
        off: Array = sums.total / total if self.centre else np.zeros(self.x.cols)
        self.mean = None if shift is None else shift + off
        self.squares = max(0.0, sums.squares - total * float(off @ off))
        self._check(self.squares)
        return self.squares, off

    def _far(self, off: Any, shift: Any, squares: Any) -> bool:
        """Whether the mean is so many spreads away from the shift that digits were lost in taking it off."""
        rounding = 16 * np.finfo(self.x.dtype).eps * np.abs(shift)
        return bool(np.any((self.weights.total * off**2 > CANCELS * squares) & (np.abs(off) > rounding)))

    def _check(self, squares: float) -> None:
        """Refuse NaN and infinities, which the sum of squares tells, and squares that leave the range."""
        if not np.isfinite(squares):
            self.x.check_finite(self.estimator)
        low, high = SAFE[name_of(self.x.dtype)]
        if not low <= squares <= high and not self._scaled:
            raise OutOfRangeError

    def _first_mean(self) -> Array | None:
        """The mean of the first rows: sums about it lose no digits when the mean of all is taken off."""
        if not self.centre:
            return None
        return np.asarray(self.x.take(slice(0, FIRST_ROWS)).mean(axis=0, dtype=np.float64))


def in_range(rows: Rows, method: Callable[[Rows], Any]) -> Any:
    """Call a method on the rows; again on rows that are scaled if squares leave the range of their type."""
    try:
        return method(rows)
    except OutOfRangeError:
        rows.rescale()
    return method(rows)
