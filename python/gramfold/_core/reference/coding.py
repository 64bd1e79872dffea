"""The NumPy twins of the coders: lasso by an active set, orthogonal matching pursuit; row by row."""

import numpy as np
import scipy.sparse as sp

from ..floats import reads_floats
from ..results import Coded, Compressed


@reads_floats
def lasso(
    *, x, p, f, gram, start, enough, out, sums, doubtful, l1, nonneg, most, one_by_one, max_rounds, tol,
    n_threads
):  # fmt: skip
    """Minimise 1/2 z'Gz - p'z + l1 |z|_1 for every row p = F'x, over z >= 0 if nonneg.

    In rounds: atoms with |p - Gz|_j > l1 join, and the row goes to the minimiser over its support with the
    signs held (Lee, Battle, Raina & Ng 2007, algorithm 1; nonneg and l1 = 0: Lawson & Hanson 1974, chapter
    23). A row ends when no condition is missed by more than tol max|p|; with `one_by_one` atoms join singly,
    and the row ends with `most` of them or when p'z + c'z >= enough. Without x the products p are given.

    Returns
    -------
    (data, indices, indptr) of the codes or None if they went to `out`; Z'Z if there are `sums`, which are
    overwritten with X'Z; the sum of the row objectives without 1/2 |x|^2; the number of rows not ended.
    `doubtful`, if given, is overwritten with which rows have not ended, or cancel: sum |z| |f| is far above
    |Fz|, so that along dependent atoms rounding may have spoiled them.
    """
    if not (tol >= 0 and l1 >= 0):
        raise ValueError("l1 and tol must be at least 0")

    def code(b, row, budget):
        z = np.zeros_like(b) if start is None else start[row].copy()
        if nonneg:
            z[z < 0] = 0
        for _ in range(max_rounds):
            c = b - gram @ z
            inside = z != 0
            missed = np.max(np.abs(c - l1 * np.sign(z)), where=inside, initial=0)
            over = np.where(inside, -np.inf, (c if nonneg else np.abs(c)) - l1)
            scale = tol * np.max(np.abs(b))
            full = np.count_nonzero(inside) >= most
            if missed <= scale and (over.max() <= scale or full or b @ z + c @ z >= budget):
                return z, 0
            signs = np.sign(z)
            if over.max() > scale and not full:
                first = np.argmax(over)
                signs[first] = np.sign(c[first])
            z = _to_face(z, signs, b, gram, l1)
        return z, 1

    return _rows(x, p, f, gram, enough, out, sums, doubtful, l1, code)


def _to_face(z, signs, b, gram, l1):
    """Go to the minimiser over the support of `signs`; what reaches 0 on the way leaves."""
    z, joined = z.copy(), (signs != 0) & (z == 0)
    while np.any(signs):
        on = np.flatnonzero(signs)
        rest = (b - gram @ z)[on] - l1 * signs[on]
        inner = gram[np.ix_(on, on)]
        step = np.linalg.lstsq(inner, rest, rcond=1e-10)[0]
        flat = rest - inner @ step
        if np.linalg.norm(flat) > 1e-9 * np.linalg.norm(rest):  # no curvature: on until an atom leaves
            step = flat * (1e9 / np.linalg.norm(flat))
        wrong = (z[on] == 0) & (step * signs[on] < 0) & joined[on]
        if wrong.any():
            signs[on[wrong]] = 0
            continue
        crosses = (z[on] + step) * z[on] < 0
        reach = np.min(np.where(crosses, -z[on] / np.where(crosses, step, 1), 1), initial=1)
        z[on] += reach * step
        if reach == 1:
            break
        ended = on[crosses & (np.abs(z[on]) <= 1e-14 * np.abs(step))]
        z[ended] = signs[ended] = 0
    return z


@reads_floats
def omp(*, x, p, f, gram, enough, out, sums, doubtful, most, ols, n_threads):
    """Code every row by at most `most` atoms, chosen one by one; returns as `lasso`.

    The next atom has the largest |c_j| (Pati, Rezaiifar & Krishnaprasad 1993), c = F'(x - Fz), or with `ols`
    the largest c_j^2 / n_j (Chen, Cowan & Grant 1991), n_j the squared norm of what of f_j is outside the
    support. A row ends early when |x|^2 - |x - Fz|^2 >= enough, or where rounding is all that is left.
    """
    eps = np.finfo(f.dtype).eps
    diagonal = np.diag(gram)

    def code(b, row, budget):
        support: list[int] = []
        z, largest = np.zeros_like(b), 0.0
        while len(support) < most and b @ z < budget:
            inner = gram[np.ix_(support, support)]
            c = b - gram[:, support] @ z[support]
            n = diagonal - np.sum(gram[support] * np.linalg.solve(inner, gram[support]), axis=0)
            usable = n > 32 * eps * diagonal
            usable[support] = False
            score = np.where(usable, c**2 / np.where(usable, n, 1), 0) if ols else np.abs(c)
            score[support] = 0
            largest = largest if support else score.max()
            best = np.argmax(score)
            if score[best] <= (8 * eps) ** (2 if ols else 1) * largest or not usable[best]:
                break
            support.append(int(best))
            z[support] = np.linalg.solve(gram[np.ix_(support, support)], b[support])
        return z, 0

    return _rows(x, p, f, gram, enough, out, sums, doubtful, 0.0, code)


def _rows(x, p, f, gram, enough, out, sums, doubtful, l1, code):
    """Code all rows, and form what a pass returns."""
    if isinstance(x, tuple):
        x = sp.csr_matrix((*x[:2], x[2]), shape=(len(x[2]) - 1, x[3]))
    products = np.asarray(x @ f if p is None else p, np.float64)
    codes, objective, unconverged = np.zeros(products.shape, f.dtype), 0.0, 0
    norms, most = np.sqrt(np.diag(gram)), 16 if f.dtype == np.float32 else 1e3
    for row, b in enumerate(products):
        z, failed = code(b, row, np.inf if enough is None else enough[row])
        codes[row] = z
        own = 0.5 * z @ gram @ z - b @ z + l1 * np.sum(np.abs(z))
        objective += own
        unconverged += failed
        if doubtful is not None:
            doubtful[row] = failed or not (np.abs(z) @ norms) ** 2 <= most**2 * -2 * own
    squares = None
    if sums is not None:
        sums[:] = 0 if x is None else x.T @ codes
        squares = codes.T.astype(np.float64) @ codes
    if out is not None:
        out[:] = codes
        return Coded(None, squares, float(objective), float(unconverged))
    kept = sp.csr_matrix(codes)
    compressed = Compressed(kept.data, kept.indices, kept.indptr.astype(np.int64))
    return Coded(compressed, squares, float(objective), float(unconverged))


def nonzeros(*, dense):
    """Give (data, indices, indptr) of the CSR matrix of `dense`."""
    kept = sp.csr_matrix(dense)
    return Compressed(kept.data, kept.indices.astype(np.int32), kept.indptr.astype(np.int64))
