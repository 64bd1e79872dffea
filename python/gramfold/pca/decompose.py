"""Singular values and vectors of a matrix from passes over its longer side.

Three ways: by the Gram matrix of the shorter side in one read, by LAPACK on a copy, and in `krylov` by a
block Krylov space, for few components of a large matrix.

A Gram matrix has the squares of singular values, so that rounding hides those far below the largest. Where
wanted ones lie below `TRUSTED` times the largest, the Gram matrix of float32 is formed anew in double. Where
that is not enough, another read multiplies the data by the vectors found. The columns of that product are
nearly orthogonal; its singular values are as exact as LAPACK's.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from ..fit.floats import name_of
from ..fold.source import Source
from ..linalg.blas import one_thread
from ..linalg.spectrum import eigenpairs, refine
from .rows import Rows

Array = NDArray[Any]

# eps (sigma_1 / sigma_k)^2 bounds the relative error of sigma_k from a Gram matrix.
TRUSTED = {"float32": 3e-2, "float64": 3e-3}
TRUSTED_IN_DOUBLE = 3e-4  # the same where X is float32 and its Gram matrix double
CLEARED = 4  # times rounding: values up to which it could have made
SOME = 64  # columns
LARGE = 128  # from here on few eigenvectors take LAPACK about half of the time of all


@dataclass(slots=True)
class Found:
    """Singular values, the largest first, right vectors of A as columns, and |A'u - s v| / s of each pair.

    The residual is 0 where LAPACK had the whole matrix. A value that rounding could have made is 0.
    """

    values: Array
    vectors: Array
    residuals: Array

    @classmethod
    def exactly(cls, rows: Rows, values: Array, vectors: Array) -> "Found":
        """Of a decomposition of the whole."""
        return cls(cleared(values, rows.size, rows.x.dtype), vectors, np.zeros(len(values)))


def by_gram(rows: Rows, wanted: int | None = None) -> Found:
    """All pairs, or some of the leading ones, of which the first `wanted` are exact."""
    side = rows.sides[1]
    wanted = side if wanted is None else min(wanted, side)
    few = are_few(wanted, side)
    for gram, dtype in rows.grams(exact=wanted == side and is_graded(rows)):
        squares, vectors = eigenpairs(gram, wanted if few else None)
        values = np.sqrt(squares)
        values[rows.most_rank :] = 0
        if are_told(values[: min(wanted, rows.most_rank)], rows, dtype):
            return Found.exactly(rows, values, vectors)
    if few:
        vectors = eigenpairs(gram)[1]
    for _ in range(3):
        values, vectors, sure = refine(rows.projected_gram(vectors), vectors)
        if sure:
            break
    return Found.exactly(rows, values, vectors)


def is_graded(rows: Rows) -> bool:
    """Whether some columns of an array show that sums in float32 do not tell the least singular value.

    That of all columns is no larger, and the largest one no smaller (Cauchy's interlacing).
    """
    x = rows.x
    in_memory = type(x) is Source and isinstance(x.x, np.ndarray)
    if rows.wide or not in_memory or x.dtype != np.float32 or x.cols < 4 * SOME:
        return False
    with one_thread():
        squares = np.linalg.eigvalsh(rows.some_columns(SOME).gram(exact=True))
    return bool(squares[0] < TRUSTED["float32"] ** 2 * squares[-1])


def are_told(values: Array, rows: Rows, dtype: str) -> bool:
    """Whether these singular values are exact in the type of X, from a Gram matrix of sums in `dtype`."""
    least, zero = TRUSTED[dtype], 0.0
    if name_of(rows.x.dtype) != dtype:
        least, zero = TRUSTED_IN_DOUBLE, CLEARED / 2 * float(np.finfo(rows.x.dtype).eps) * rows.size
    return not np.any((values < least * values.max(initial=0)) & (values >= zero))


def are_few(wanted: int, size: int) -> bool:
    """Whether so many leading eigenvectors of a matrix are found faster without the others."""
    return size > LARGE and 4 * wanted < size


def by_lapack(rows: Rows) -> Found:
    """LAPACK's decomposition of a centred copy in float64."""
    rows.measure()
    _, values, vt = scipy.linalg.svd(rows.dense(), full_matrices=False, overwrite_a=True, check_finite=False)
    return Found.exactly(rows, values, vt.T)


def cleared(values: Array, size: float, dtype: Any) -> Array:
    """Singular values, 0 for those that the rounding of a matrix of this norm could have made."""
    return np.where(values > CLEARED * float(np.finfo(dtype).eps) * size, values, 0)
