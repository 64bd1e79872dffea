"""A (centred, weighted) matrix by what decompositions need of it, never stored: sums over its longer side.

A is the matrix Y of rows sqrt(w_i) (x_i - mean), or Y' where Y is wide: `long` x `short`. Gram matrices and
bases belong to the short side, and nothing is as large as the square of the long one.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import assert_all_finite, gen_batches

from .._core import kernels
from ..fit.row_weights import RowWeights
from ..fold.source import aligned
from ..linalg.spectrum import orthonormal_rows

Array = NDArray[Any]

FIRST_ROWS = 256
PIECE = 1 << 22  # entries that are worked on at a time where a copy of all would be too large
NOTHING: dict[str, Any] = dict.fromkeys(("q", "gram", "products", "image", "total"))
# The sum of squares for which squares of squares in float64, and squares in float32, lose nothing.
SAFE = {"float32": (1e-16, 1e28), "float64": (1e-100, 1e100)}
CANCELS = 1e3


class OutOfRangeError(Exception):
    """Squares leave the range of their type; see `in_range`."""


class Rows:
    """A dense X as the decompositions take it.

    Parameters
    ----------
    x : ndarray of shape (n_samples, n_features)
    weights : RowWeights
    centre : bool
        Without, the mean is 0.
    n_threads : int
    hint : str
        What to do about NaN.

    Attributes
    ----------
    mean : ndarray of shape (n_features,), or None
    squares : float
        The sum of the squares of A.
    exponent : int
        x is 2**-exponent times the X that was given.
    """

    def __init__(self, x: Any, weights: RowWeights, centre: bool, n_threads: int, hint: str = "") -> None:
        kept = weights.kept
        self.x, self.weights, self.centre = x if kept is None else x[kept], weights, centre
        self.n_threads, self.hint = n_threads, hint
        self.mean: Array | None = None
        self.squares = 0.0
        self.exponent, self._scaled = 0, False

    @property
    def wide(self) -> bool:
        """Whether A is the transpose."""
        return bool(self.x.shape[0] < self.x.shape[1])

    @property
    def sides(self) -> tuple[int, int]:
        """The longer and the shorter side."""
        return max(self.x.shape), min(self.x.shape)

    @property
    def size(self) -> float:
        """The norm of the weighted rows as they were given, not centred: rounding is relative to it."""
        off = 0.0 if self.mean is None else self.weights.total * float(self.mean @ self.mean)
        return float(np.sqrt(self.squares + off))

    def gram(self) -> Array:
        """A'A; mean and squares are found in the same read unless A is wide."""
        if self.wide:
            self.measure()
            gram = np.empty((self.sides[1],) * 2)
            self._pass(gram=gram)
            return gram
        shift = self._first_mean()
        gram, off = self._moments(shift)
        if shift is not None and self._far(off, shift, np.diag(gram)):
            gram, off = self._moments(shift + off)
        return gram

    def measure(self) -> None:
        """Find mean and squares in one read, or two if the first rows lie far from the rest."""
        shift = self._first_mean()
        squares, off = self._total(shift)
        if shift is not None and self._far(float(np.linalg.norm(off)), float(np.linalg.norm(shift)), squares):
            self._total(shift + off)

    def image(self, q: Array, exact: bool = False) -> Array:
        """A'A q; `exact`: in float64 whatever the type of X."""
        image = np.zeros((q.shape[1], self.sides[1]))
        for _, part, weights in self._parts(exact):
            some = np.empty(image.shape, part.dtype)
            self._pass(part, weights, q=q, image=some)
            image += some
        return image.T

    def projected_gram(self, q: Array) -> Array:
        """Give q'A'A q from the products A q, in float64 whatever the type of X."""
        gram = np.zeros((q.shape[1],) * 2)
        for _, part, weights in self._parts(exact=True):
            some = np.empty_like(gram)
            self._pass(part, weights, q=q, gram=some)
            gram += some
        return gram

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
        return orthonormal_rows(rows, values == 0)

    def codes(self, components: Array) -> Array:
        """(X - mean) times the transposed components, without weights."""
        some = max(1, 4 * PIECE // components.shape[1])
        out = np.empty((self.x.shape[0], len(components)), self.x.dtype)
        for part in gen_batches(len(components), some):
            out[:, part] = self._codes(np.ascontiguousarray(components[part].T, self.x.dtype))
        return out

    def dense(self) -> Array:
        """A in float64."""
        root, mean = self.weights.root, 0.0 if self.mean is None else self.mean
        y = self.x.astype(np.float64) - mean
        if root is not None:
            y *= root[:, None]
        return y.T if self.wide else y

    def rescale(self) -> None:
        """Scale x by a power of two to numbers of at most 1, in a copy."""
        values = self._values
        largest = max(float(np.max(values, initial=0)), -float(np.min(values, initial=0)))
        self.exponent, self._scaled = int(np.frexp(largest)[1]), True
        self._replace(np.ldexp(values, -self.exponent))

    @property
    def _values(self) -> Array:
        return np.asarray(self.x)

    def _replace(self, values: Array) -> None:
        self.x = values

    def _codes(self, q: Array) -> Array:
        out = np.empty((self.x.shape[0], q.shape[1]), self.x.dtype)
        kernels.centred(
            x=aligned(self.x),
            shift=self.mean,
            weights=None,
            scale=None,
            by_row=False,
            q=q,
            gram=None,
            products=out,
            image=None,
            total=None,
            n_threads=self.n_threads,
        )
        return out

    def _parts(self, exact: bool = False) -> Iterator[tuple[slice, Array, Array | None]]:
        """Pieces of the long side, with the weights of a tall A; all of it unless the type is changed."""
        long, root = self.x.T if self.wide else self.x, None if self.wide else self.weights.root
        if not exact or long.dtype == np.float64:
            yield slice(0, len(long)), long, root
            return
        for part in gen_batches(len(long), max(1, PIECE // long.shape[1])):
            yield part, long[part].astype(np.float64), None if root is None else root[part]

    def _products(self, q: Array) -> Iterator[tuple[slice, Array]]:
        """A q piece by piece of a wide A."""
        for part in gen_batches(self.sides[0], max(1, PIECE // sum(q.shape))):
            some = np.asarray(self.x.T[part], np.float64)
            products = np.empty((len(some), q.shape[1]))
            self._pass(some, None, q=q, products=products)
            yield part, products

    def _pass(self, part: Array | None = None, weights: Array | None = None, **wanted: Any) -> float:
        """The kernel over rows of A."""
        if part is None:
            ((_, part, weights),) = self._parts()
        if "q" in wanted:
            wanted["q"] = np.ascontiguousarray(wanted["q"], part.dtype)
        shift, scale = (None, self.weights.root) if self.wide else (self.mean, None)
        by_row = self.wide and self.centre
        return kernels.centred(
            x=aligned(part),
            shift=shift,
            weights=weights,
            scale=scale,
            by_row=by_row,
            **(NOTHING | wanted),
            n_threads=self.n_threads,
        )

    def _moments(self, shift: Array | None) -> tuple[Array, Array]:
        """A'A of a tall A from sums about the shift, and the mean less the shift."""
        dtype, total = self.x.dtype, self.weights.total
        near = None if shift is None else shift.astype(dtype)
        weights = None if self.weights.values is None else self.weights.values.astype(dtype)
        nothing = np.empty((self.x.shape[0], 0), dtype)
        sums = kernels.moments(
            x=aligned(self.x), y=nothing, shift=near, weights=weights, n_threads=self.n_threads
        )
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
        sums, total = np.empty(self.x.shape[1]), self.weights.total
        squares = kernels.centred(
            x=aligned(self.x),
            shift=shift,
            weights=self.weights.root,
            scale=None,
            by_row=False,
            **(NOTHING | {"total": sums}),
            n_threads=self.n_threads,
        )
        self._check(squares)
        off = sums / total if self.centre else np.zeros_like(sums)
        self.mean = None if shift is None else shift + off
        self.squares = max(0.0, squares - total * float(off @ off))
        self._check(self.squares)
        return self.squares, off

    def _far(self, off: Any, shift: Any, squares: Any) -> bool:
        """Whether the mean is so far from the shift, beside the spread, that taking it off cancelled."""
        rounding = 16 * np.finfo(self.x.dtype).eps * np.abs(shift)
        return bool(np.any((self.weights.total * off**2 > CANCELS * squares) & (np.abs(off) > rounding)))

    def _check(self, squares: float) -> None:
        """Refuse NaN and infinities, which the sum of squares tells, and squares that leave the range."""
        if not np.isfinite(squares):
            if self.hint and np.isnan(self._values).any():
                raise ValueError(f"Input X contains NaN: {self.hint}")
            assert_all_finite(self._values, input_name="X")
        low, high = SAFE[self.x.dtype.name]
        if not low <= squares <= high and not self._scaled:
            raise OutOfRangeError

    def _first_mean(self) -> Array | None:
        """Near the mean, so that subtracting it later does not cancel."""
        return self.x[:FIRST_ROWS].mean(axis=0, dtype=np.float64) if self.centre else None


def in_range(rows: Rows, method: Callable[[Rows], Any]) -> Any:
    """Call a method on the rows; again on rows that are scaled if squares leave the range of their type."""
    try:
        return method(rows)
    except OutOfRangeError:
        rows.rescale()
    return method(rows)
