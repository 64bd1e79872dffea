"""The state of robust PCA for a dense X: one array of its size, and what the next threshold needs."""

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._core.results import ShrinkSums
from ..fit.checkpoint import restore, state_of
from ..fold.engine import run
from ..fold.source import Source
from ..linalg.spectrum import DENSE_NORM, SMALL, Leading, eigenpairs, largest, orthonormal, spectral_norm
from .dense_passes import Operator, Shrunk, left_vectors, resume, shrink, start
from .numbers import Numbers
from .packing import Packing

Array = NDArray[Any]

# A subspace of k columns costs 3 k products per entry, the Gram matrix cols / 2 + 2 k and a larger
# eigenproblem.
SUBSPACE_SHARE = 0.12
LOOSE, MOST_STEPS, ROUGH = 10.0, 4, 0.1
CANCELLED = 1e-12  # of 1: what is left of a square of that is not to be trusted
FAINT = 1e-24  # of the largest square: smaller ones are rounding
KEPT = ("z", "gram", "image", "_numbers", "_restless")


class DenseState:
    """The iterate: z, which carries Y, S and, unobserved, L (see `Packing`), and L as left @ right.T.

    The input W of a threshold is never stored: each pass makes it from X and z. What is wanted of it are its
    leading singular values and vectors. They come from the eigenvectors of its Gram matrix; or, where few are
    wanted of many columns, from a subspace that is kept. Each iteration then takes half a step of subspace
    iteration: W' times the left vectors of the last W spans the space in which the right vectors of this one
    are sought.

    Parameters
    ----------
    x : Source
        Dense, tall unless outliers are its rows; NaN is unobserved.
    weights : ndarray of x's shape and dtype, or None
        lam of each entry.
    by_row : bool
        Whether outliers are rows of x.
    """

    relaxes = True

    def __init__(self, x: Source, weights: Array | None, by_row: bool) -> None:
        self.x, self.weights, self.by_row = x, weights, by_row
        self.rows, self.cols, self.dtype = x.rows, x.cols, x.dtype
        self.z = x.kept(self.cols, start=0)
        self.left, self.right = np.empty((self.rows, 0), self.dtype), np.empty((self.cols, 0), self.dtype)
        self.gram: Array | None = None
        self.image: Array | None = None  # spans the basis to come, where no Gram matrix is formed
        self._lefts: Array | None = None  # left singular vectors, those of the guards too
        self._factors: Array | None = None
        self._numbers = Numbers(1.0, 1.0, 1.0, 1.0)
        self._leading = Leading(self.cols)
        self._restless = False  # whether the subspace took more than one step the last time

    def start(self, scale: float) -> None:
        """Begin with Y = X / scale and L = S = 0."""
        run(start, self.x, scale, {"z": self.z}, writes=("z",))

    def resume(self, packing: Packing, left: Array, right: Array, sparse: Any, dual: Array) -> None:
        """Begin with L = left @ right.T, S and Y."""
        state = {"z": self.z} | {
            name: self.x.given(a) for name, a in (("left", left), ("sparse", sparse), ("dual", dual))
        }
        run(resume, self.x, (packing, right), state, writes=("z",))

    def prepare(self, numbers: Numbers) -> None:
        """Take the input of the first threshold from z."""
        self._numbers, self.gram, self.image, self._lefts = numbers, None, None, None

    def kept(self) -> dict[str, Any]:
        """Give what a checkpoint needs."""
        return state_of(self, KEPT) | self._leading.kept()

    def restore(self, kept: dict[str, Any]) -> None:
        """Go on from that."""
        restore(self, kept, KEPT)
        self.z = self.x.kept(start=self.z)
        self._leading.restore(kept)

    def norm(self) -> float:
        """The spectral norm of the input that was prepared."""
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

    def advance(self, numbers: Numbers) -> ShrinkSums:
        """Shrink and update the multipliers, for the L that `threshold` made."""
        basis = self._leading.basis
        few = self.cols > SMALL and 0 < basis.shape[1] <= SUBSPACE_SHARE * self.cols
        self.gram = self.image = None
        operator = Operator(numbers, self.right, self._factors)
        if not few:
            self._lefts = None
            made = self._pass(operator, left=self.left, gram=True)
            self.gram = made.gram
        elif self._lefts is None:
            made = self._pass(operator._replace(q=self._cast(basis)), left=self.left, gram=True, image=True)
            self.image = made.image
        else:
            made = self._pass(operator, left=self.left, products=self._lefts, image=True)
            self.image = made.image
        self._numbers = numbers.after()._replace(mu=numbers.mu_next)
        return made.sums

    def dual_norm(self, accuracy: float) -> float:
        """The spectral norm of the multipliers, off by at most `accuracy` of itself."""
        if self.cols <= DENSE_NORM:
            return spectral_norm(self._gram(dual=True))
        self._leading.keep(self._leading.basis, self._leading.found)
        return float(np.sqrt(largest(partial(self._image_of, dual=True), self._leading.basis, accuracy)[0]))

    def _gram(self, *, dual: bool = False) -> Array:
        gram = self._pass(Operator(self._numbers), gram=True, dual=dual).gram
        assert gram is not None
        return gram

    def _image_of(self, basis: Array, *, dual: bool = False) -> Array:
        """W'W basis."""
        made = self._pass(Operator(self._numbers, q=self._cast(basis)), gram=True, image=True, dual=dual)
        assert made.image is not None
        return made.image.T.astype(np.float64)

    def _from_subspace(self, tau: float, accuracy: float, most: int) -> Array | None:
        """One step of the subspace, or more until it holds still; None if it gets too large for that."""
        assert self.image is not None
        leading, image, steps = self._leading, self.image, 0
        while image.shape[0] <= SUBSPACE_SHARE * self.cols:
            basis = orthonormal(image.T.astype(np.float64))
            k = basis.shape[1]
            products, operator = self._rows_by(k), Operator(self._numbers, q=self._cast(basis))
            made = self._pass(operator, products=products, gram=True, image=self._restless and steps == 0)
            assert made.gram is not None
            squares, rotation = eigenpairs(made.gram)
            found = int(np.count_nonzero(squares > tau * tau))
            kept, vectors = min(found, most), basis @ rotation
            complete = found < k or k == self.cols or found > most
            values, wanted = np.sqrt(squares[:kept]), vectors[:, :kept]
            still = self._error(wanted, values, tau, float(squares[-1])) <= LOOSE * accuracy
            leading.keep(vectors, kept if complete else found)
            self._restless = steps > 0 or not still
            steps += complete
            if complete and (still or steps == MOST_STEPS):
                self._take_left(products, rotation, squares, values - tau)
                self.right, self._factors = self._cast(wanted), None
                return values
            if made.image is not None and complete:
                image = (rotation.T.astype(self.dtype) @ made.image)[: leading.basis.shape[1]]
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

    def _take_left(self, products: Array, rotation: Array, squares: Array, values: Array) -> None:
        """Take `left` from the left singular vectors: one for each of the basis, random for new ones."""
        k, least = self._leading.basis.shape[1], max(FAINT * squares[0], np.finfo(np.float64).tiny)
        known = min(k, len(squares))
        turn = rotation[:, :known] * (1 / np.sqrt(np.maximum(squares[:known], least)))
        new = None
        if known < k:
            random = np.random.default_rng(0).standard_normal((self.rows, k - known)) / np.sqrt(self.rows)
            new = self.x.given(random.astype(self.dtype))
        lefts, left = self.x.kept(k), self.x.kept(len(values))
        state = {"products": products, "new": new, "lefts": lefts, "left": left}
        run(left_vectors, self.x, (turn.astype(self.dtype), values.astype(self.dtype)), state)
        self._lefts, self.left = lefts, left

    def _rows_by(self, k: int) -> Array:
        same = self.left.shape[1] == k and self.x.client is None
        return self.left if same else self.x.room(k, [])

    def _cast(self, vectors: Array) -> Array:
        return np.ascontiguousarray(vectors, dtype=self.dtype)

    def _pass(
        self, operator: Operator, *, left: Array | None = None, products: Array | None = None,
        gram: bool = False, image: bool = False, dual: bool = False,
    ) -> Shrunk:  # fmt: skip
        pass_ = partial(shrink, by_row=self.by_row, gram=gram, image=image, dual=dual)
        state = {"z": self.z, "left": self.x.given(left), "products": products}
        made: Shrunk = run(
            pass_, self.x, operator, state, fixed={"weights": self.weights},
            writes=() if operator.v is None else ("z",),
        )  # fmt: skip
        return made
