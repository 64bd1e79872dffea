"""The NumPy twins of the dictionary kernels: atoms from sums, or through the residual R = X - ZD."""

from itertools import pairwise

import numpy as np
import scipy.sparse as sp

from ..floats import reads_floats
from ..results import Compressed


def update_atoms(*, atoms, gram, products, l1, l2, nonneg, ball, unused, sweeps):
    """Minimise 1/2 tr(D'AD) - tr(D'B) + l1 |D|_1 + l2/2 |D|^2 over the atoms, one after the other, in place.

    A = Z'Z is `gram`, B = Z'X are `products`; atoms lie in the unit ball if `ball`, and are not negative if
    `nonneg`. Mairal, Bach, Ponce & Sapiro (2010), algorithm 2. Atoms with A_jj <= unused are left alone.
    """
    for _ in range(sweeps):
        for j in np.flatnonzero(np.diag(gram) > unused):
            rest = products[j] - gram[j] @ atoms + gram[j, j] * atoms[j]
            atoms[j] = _shrunk(rest, l1, nonneg) / (gram[j, j] + l2)
            if ball:
                atoms[j] /= max(1.0, np.linalg.norm(atoms[j]))


def repeated_atoms(*, gram, same):
    """Tell which atoms have a |cosine| above `same` with one before them."""
    norms = np.sqrt(np.diag(gram))
    return np.tril(np.abs(gram) > same * norms[:, None] * norms, -1).any(axis=1)


@reads_floats
def residual(*, x, weights, codes, atoms, out, n_threads):
    """Set `out` to x - ZD, 0 where weights are 0, and return the weighted squared norm of each row.

    `codes` are (data, indices, indptr) of Z by rows.
    """
    z = sp.csr_matrix(codes, shape=(len(x), len(atoms)))
    out[:] = x - z @ atoms
    if weights is None:
        return np.sum(np.square(out, dtype=np.float64), axis=1)
    out[weights == 0] = 0
    return np.sum(np.square(out, dtype=np.float64) * weights, axis=1)


def masked_atoms(*, residual, weights, codes, atoms, l1, l2, nonneg, ball, unused, n_threads):
    """One sweep over the atoms for 1/2 sum w r^2 + l1 |D|_1 + l2/2 |D|^2; residual and atoms are updated.

    `codes` are (data, indices, indptr) of Z by columns. The curvature of column c is h_c = sum w_ic z_ij^2;
    over the unit ball d_c = s_c / (h_c + t), t such that |d| = 1.
    """
    for j, (rows, z) in enumerate(_columns(codes)):
        if not np.sum(np.square(z, dtype=np.float64)) > unused:
            continue
        seen = weights[rows].astype(np.float64)
        h = z.astype(np.float64) ** 2 @ seen
        s = _shrunk(z @ (seen * residual[rows]) + h * atoms[j], l1, nonneg)
        s[h == 0] = 0
        h += l2
        h[s == 0] = 1
        t, d = 0.0, s / h
        while ball and (norm2 := d @ d) > 1 + 1e-14:  # Newton's method on 1 / |d(t)|
            t += norm2 / np.sum(d**2 / (h + t)) * (np.sqrt(norm2) - 1)
            previous, d = d, s / (h + t)
            if np.array_equal(d, previous):
                break
        if ball:
            d /= max(1.0, np.linalg.norm(d))
        residual[rows] -= (weights[rows] > 0) * np.outer(z, d - atoms[j])
        atoms[j] = d


def ksvd_atoms(*, residual, codes, atoms, nonneg_codes, nonneg_atoms, n_threads):
    """One sweep of approximate K-SVD; residual, atoms and the data of `codes` (by columns) are updated.

    E = R + z d' over the rows that use the atom: d <- E'z / |E'z|, z <- E d (Rubinstein, Zibulevsky & Elad
    2008, algorithm 5).
    """
    for j, (rows, z) in enumerate(_columns(codes)):
        if len(rows) == 0:
            continue
        error = residual[rows] + np.outer(z, atoms[j])
        if not _to_sphere(error.T @ z, nonneg_atoms, atoms[j]):
            continue
        z[:] = error @ atoms[j]
        if nonneg_codes:
            np.maximum(z, 0, out=z)
        residual[rows] = error - np.outer(z, atoms[j])


def soup_atoms(*, residual, codes, atoms, penalty, hard, nonneg_codes, nonneg_atoms, n_threads):
    """One sweep of SOUP-DIL over atoms of norm 1; residual and atoms are updated, new codes returned.

    b = E d: z_j <- b where b^2 / 2 > penalty if `hard`, else b shrunk by it; d_j <- E'z_j / |E'z_j|
    (Ravishankar, Nadakuditi & Fessler 2017, algorithm 1). Codes come and go as (data, indices, indptr) by
    columns.
    """
    found = []
    for j, (rows, old) in enumerate(_columns(codes)):
        z = np.zeros(len(residual), atoms.dtype)
        z[rows] = old
        error = residual + np.outer(z, atoms[j])
        b = error @ atoms[j]
        if hard:
            z = np.where((b**2 > 2 * penalty) & ~(nonneg_codes & (b < 0)), b, 0)
        else:
            z = _shrunk(b, penalty, nonneg_codes)
        _to_sphere(error.T @ z, nonneg_atoms, atoms[j])
        residual[:] = error - np.outer(z, atoms[j])
        found.append(z)
    new = sp.csc_matrix(np.reshape(found, (len(atoms), len(residual))).T)
    return Compressed(new.data.astype(atoms.dtype), new.indices.astype(np.int32), new.indptr.astype(np.int64))


def _columns(codes):
    data, indices, indptr = codes
    for first, last in pairwise(indptr):
        yield indices[first:last], data[first:last]


def _shrunk(values, l1, nonneg):
    above = np.maximum(values - l1, 0)
    return above if nonneg else above + np.minimum(values + l1, 0)


def _to_sphere(g, nonneg, atom):
    """Set atom to g / |g|, or that of max(g, 0); False and no change where g is 0."""
    if nonneg and g.max(initial=-np.inf) < 0 < len(g):
        atom[:] = np.arange(len(g)) == np.argmax(g)
        return True
    g = np.maximum(g, 0) if nonneg else g
    largest = np.abs(g).max(initial=0)  # whose square may leave the range
    if not largest > 0:
        return False
    atom[:] = g / largest / np.linalg.norm(g / largest)
    return True
