"""Leading eigenpairs of a positive semidefinite matrix: by LAPACK or a filtered subspace kept warm."""

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.linalg
from numpy.typing import NDArray
from sklearn.utils import gen_batches

Array = NDArray[Any]

# Measured at n = 200 to 1000: LAPACK's whole spectrum costs about as much as 3 filters of n / 5 columns.
FEW = 64  # as large a matrix costs less than what SciPy does before LAPACK
SMALL, DENSE_SHARE, DENSE_NORM = 128, 0.2, 600
GUARD, DEGREE = 8, 6
MOST_STEPS = 200
DOUBLE = float(np.finfo(np.float64).eps)
WELL = 1e-6  # least over largest pivot from which two rounds of Cholesky QR are orthonormal to rounding
PIECE = 1 << 22  # entries at a time
DAMPED = 0.5  # least share of [0, threshold] that a filter damps; more where the guard has values above
NEARLY = 0.5  # |gram - I|^2 of unit columns up to which one round is enough


def eigenpairs(gram: Array, leading: int | None = None) -> tuple[Array, Array]:
    """Eigenvalues, all or the leading ones, the largest first and none below 0; their vectors as columns."""
    if leading is None and 1 < len(gram) <= FEW:
        values, vectors = np.linalg.eigh(gram)
    elif leading is None:
        driver = "evd" if len(gram) > 1 else "ev"  # SciPy 1.11 gives evd too little room for one row
        values, vectors = scipy.linalg.eigh(gram, driver=driver, check_finite=False)
    else:
        last = [len(gram) - leading, len(gram) - 1]
        values, vectors = scipy.linalg.eigh(gram, driver="evr", subset_by_index=last, check_finite=False)
    return np.maximum(values[::-1], 0), vectors[:, ::-1]


def refine(gram: Array, vectors: Array) -> tuple[Array, Array, bool]:
    """Singular values of P = A V from its Gram matrix P'P, and V turned to their vectors.

    Where columns of P are nearly orthogonal, P'P is well conditioned once they are scaled to unit length,
    however unlike their lengths are. So its Cholesky factor has the singular values of P with all digits.

    Returns
    -------
    values, vectors : ndarray
    sure : bool
        Whether columns were nearly orthogonal. If not, they will be nearer to it for the vectors given back.
    """
    size = np.sqrt(np.maximum(np.diag(gram), 0))
    dead = size <= np.finfo(np.float64).eps * size.max()
    scale = np.where(dead, 1, size)
    unit = gram / scale / scale[:, None]
    unit[dead], unit[:, dead] = 0, 0
    np.fill_diagonal(unit, 1)
    try:
        r = scipy.linalg.cholesky(unit, check_finite=False)
        sure = bool(np.min(np.diag(r)) > 0.1)
    except np.linalg.LinAlgError:
        values, inner = eigenpairs(unit)
        r, sure = np.sqrt(values)[:, None] * inner.T, False
    _, values, vt = scipy.linalg.svd(r * size, check_finite=False)
    return values, vectors @ vt.T, sure


def orthonormal(a: Array) -> Array:
    """An orthonormal basis of the columns: Cholesky's, twice unless they nearly are, else Householder's."""
    q = a / np.maximum(np.linalg.norm(a, axis=0), np.finfo(np.float64).tiny)
    for _ in range(2):
        gram = q.T @ q
        r, failed = scipy.linalg.lapack.dpotrf(gram, clean=1)
        if failed or np.min(np.diag(r)) < WELL * np.max(np.diag(r)):
            return np.asarray(scipy.linalg.qr(a, mode="economic", check_finite=False)[0])
        q = scipy.linalg.blas.dtrsm(1.0, r, q, side=1)
        if np.linalg.norm(gram) ** 2 < len(gram) + NEARLY:  # of eigenvalues 1 +- sqrt(NEARLY)
            break
    return q


def triangular(a: Array) -> Array:
    """R of the QR decomposition; overwrites a."""
    r = scipy.linalg.qr(a, overwrite_a=True, mode="r", check_finite=False)[0]
    return np.ascontiguousarray(r[: a.shape[1]])


def orthonormal_rows(a: Array, free: Array, eps: float = DOUBLE) -> Array:
    """Make rows of about norm 1 orthonormal, one after the other, in place; `free` rows may become any.

    They are left alone where they are orthonormal but for the rounding of numbers of this eps.
    """
    a[free] = np.random.default_rng(0).standard_normal((int(np.count_nonzero(free)), a.shape[1]))
    a /= np.sqrt(np.einsum("ij,ij->i", a, a))[:, None]
    for _ in range(3):
        gram = a @ a.T
        off = np.abs(gram - np.eye(len(a))).max(initial=0)
        if off < max(64 * DOUBLE, eps / 8):
            break
        r, failed = scipy.linalg.lapack.dpotrf(gram, clean=1)
        if failed or np.min(np.diag(r)) < WELL:
            q, r = scipy.linalg.qr(a.T, mode="economic", check_finite=False)
            return np.ascontiguousarray((q * np.where(np.diag(r) < 0, -1, 1)).T)
        for part in gen_batches(a.shape[1], max(1, PIECE // len(a))):
            a[:, part] = scipy.linalg.blas.dtrsm(1.0, r, a[:, part], trans_a=1)
        if len(a) * off < NEARLY:  # then one round is enough
            break
    return a


def spectral_norm(gram: Array) -> float:
    """The root of the largest eigenvalue of a Gram matrix."""
    last = [len(gram) - 1] * 2
    top = scipy.linalg.eigh(gram, eigvals_only=True, subset_by_index=last, check_finite=False)
    return float(np.sqrt(max(0.0, top[0])))


def largest(apply: Callable[[Array], Array], basis: Array, accuracy: float) -> tuple[float, Array, Array]:
    """A bound on the largest eigenvalue from above, and the subspace that it comes from with its image.

    With Ritz values t and residuals R the eigenvalue is at most t_1 + |R|_2. If c bounds all of the spectrum
    that the subspace does not have, it is also at most the largest eigenvalue of diag(t) + R'R / (t_1 - c) (a
    Schur complement). For c the middle between t_1 and the last Ritz value is taken. So the start should be
    an image already, and have more columns than there are large eigenvalues.

    Parameters
    ----------
    apply : callable
        Of the matrix, to (n, k) arrays.
    basis : ndarray of shape (n, k), orthonormal
        The start.
    accuracy : float
        By which share the bound may be above; it is more if `MOST_STEPS` are not enough.
    """
    for _ in range(MOST_STEPS):
        image = apply(basis)
        values, rotation = eigenpairs(basis.T @ image)
        rest = image @ rotation - basis @ (rotation * values)
        squares, gap = rest.T @ rest, max((values[0] - values[-1]) / 2, np.finfo(np.float64).tiny)
        safe = values[0] + np.sqrt(eigenpairs(squares)[0][0])
        bound = min(safe, eigenpairs(np.diag(values) + squares / gap)[0][0])
        if bound - values[0] <= accuracy * values[0]:
            break
        basis = orthonormal(image)
    return float(bound), basis, image


class Leading:
    """Eigenpairs above a threshold, again and again for a matrix that changes little.

    Chebyshev-filtered subspace iteration (Zhou, Saad, Tiago & Chelikowsky 2006): it starts with the last
    subspace and damps what lies below its last value. The subspace has some vectors more than are wanted, the
    guard: that one of them falls below the threshold tells that all above it were found. Where many are
    wanted it is LAPACK's full spectrum instead.

    Parameters
    ----------
    size : int
        Rows of the matrix.
    eps : float
        That of the numbers in which its products are made.

    Attributes
    ----------
    basis : ndarray of shape (size, k)
        The orthonormal basis kept, the wanted vectors first.
    found : int
        How many were wanted last.
    """

    def __init__(self, size: int, eps: float = DOUBLE) -> None:
        self.size, self.eps = size, eps
        self.basis = np.empty((size, 0))
        self.found = 0
        self._random = np.random.default_rng(0)

    def kept(self) -> dict[str, Any]:
        """Give what a checkpoint needs."""
        return {"basis": self.basis, "found": self.found, "random": self._random}

    def restore(self, kept: dict[str, Any]) -> None:
        """Go on from that."""
        self.basis, self.found, self._random = kept["basis"], kept["found"], kept["random"]

    def above(self, gram: Array, threshold: float, accuracy: float, most: int) -> tuple[Array, Array]:
        """Eigenvalues above `threshold`, the largest first, with their vectors as columns.

        Parameters
        ----------
        gram : ndarray of shape (size, size)
        threshold : float
        accuracy : float
            The root of the sum of |residual|^2 / eigenvalue may be this large, or larger if it is what
            rounding leaves.
        most : int
            Not more pairs than this.
        """
        pairs = None
        if self.size > SMALL and max(self.found, GUARD) <= DENSE_SHARE * self.size:
            columns = int(DENSE_SHARE * self.size)
            pairs = self.iterate(lambda q: gram @ q, threshold, accuracy, most, columns)
        if pairs is None:
            values, vectors = eigenpairs(gram)
            wanted = min(most, int(np.count_nonzero(values > threshold)))
            self.keep(vectors[:, : self._columns(wanted)], wanted)
            pairs = values[:wanted], vectors[:, :wanted]
        return pairs

    def iterate(
        self, apply: Callable[[Array], Array], threshold: float, accuracy: float, most: int, columns: int,
        degree: int = DEGREE,
    ) -> tuple[Array, Array] | None:  # fmt: skip
        """The same for a matrix known by its products; None if more than `columns` are needed.

        `degree` is that of the filter, the products between two looks at the pairs.
        """
        self.keep(self.basis, self.found)
        basis, before = self.basis, np.inf
        for step in range(MOST_STEPS):
            image = apply(basis)
            values, rotation = eigenpairs(basis.T @ image)
            basis, image = basis @ rotation, image @ rotation
            above = int(np.count_nonzero(values > threshold))
            wanted, low = min(most, above), threshold
            if above == len(values) < self.size and above <= most:
                self.keep(basis, above)
                basis = self.basis
                if basis.shape[1] > columns:
                    return None
            else:
                rest = np.linalg.norm(image[:, :wanted] - basis[:, :wanted] * values[:wanted], axis=0)
                size = np.sqrt(np.sum(rest**2 / np.maximum(values[:wanted], threshold)))
                # Rounding may be this large, and mostly is far smaller: what does not fall any more.
                rounding = 8 * self.eps * values[0] * np.sqrt(wanted / threshold)
                stuck = before / 2 < size <= rounding
                if size <= accuracy or stuck or step == MOST_STEPS - 1:
                    self.keep(basis, wanted)
                    return values[:wanted], basis[:, :wanted]
                before, low = size, max(float(values[-1]), DAMPED * threshold)
            basis = orthonormal(_filter(apply, basis, low, self._sound(degree, values[0] / low)))
        return None

    def keep(self, basis: Array, found: int) -> None:
        """Hold on to a basis, with as many guard vectors as `found` asks for, random if they are new."""
        columns = self._columns(found)
        if found == basis.shape[1] < self.size and found:
            columns = self._columns(2 * found)
        if columns > basis.shape[1]:
            new = self._random.standard_normal((self.size, columns - basis.shape[1]))
            basis = orthonormal(np.hstack([basis, new]))
        self.basis, self.found = basis[:, :columns], found

    def _sound(self, degree: int, ratio: float) -> int:
        """A degree at which the rounding of the largest pair does not drown the smallest."""
        growth = np.arccosh(max(2 * ratio - 1, 1 + self.eps))
        return max(1, min(degree, int(np.log(2 / self.eps) / growth)))

    def _columns(self, wanted: int) -> int:
        return min(self.size, wanted + max(GUARD, wanted // 8))


def _filter(apply: Callable[[Array], Array], basis: Array, low: float, degree: int) -> Array:
    """T_degree((2 / low) matrix - 1) @ basis, with columns kept in range."""
    half = low / 2
    before, now = basis, apply(basis) / half - basis
    for _ in range(degree - 1):
        scale = np.linalg.norm(now, axis=0)
        scale[scale == 0] = 1
        before, now = before / scale, now / scale
        before, now = now, 2 * (apply(now) / half - now) - before
    return now
