"""The NumPy twin of `orthogonal_rows`: rows solved from the data by QR."""

import numpy as np


def orthogonal_rows(*, atoms, y, codes, ended, l1, nonneg, max_rounds, n_threads):
    """Minimise 1/2 |y - z atoms|^2 + l1 |z|_1 for every row y, over z >= 0 if nonneg, from the data by QR.

    `codes` are where the rows start, and are overwritten; `ended` says which came to their minimisers. The
    active set of Lawson & Hanson 1974, chapter 23, with signs; see cpp/least_squares/orthogonal.hpp.
    """
    for i, row in enumerate(y):
        codes[i], ended[i] = _orthogonal_row(atoms, row, codes[i], l1, nonneg, max_rounds)


def _orthogonal_row(atoms, y, start, l1, nonneg, max_rounds):
    norms, eps = np.linalg.norm(atoms, axis=1), np.finfo(float).eps
    z, least, best, failed, joined = np.zeros(len(atoms)), np.inf, start, 0, -1
    barred: set[int] = set()

    def load(start):
        z[:] = 0
        kept: list[int] = []
        for j in sorted(
            np.flatnonzero(start > 0 if nonneg else start), key=lambda j: -abs(start[j]) * norms[j]
        ):
            if _outside(atoms, kept, j)[0]:
                kept.append(int(j))
        z[kept] = start[kept]
        return {j: np.sign(start[j]) for j in kept}

    signs = load(start)
    for _ in range(max_rounds):
        _descend(atoms, y, z, signs, l1)
        rest = y - z @ atoms
        now = rest @ rest / 2 + l1 * np.abs(z).sum()
        if now < least:
            least, best, barred = now, z.copy(), set()
        else:
            failed += 1
            if joined < 0 or failed > 8:
                return best, True
            signs = load(best)
            rest = y - z @ atoms
            barred.add(joined)
        if l1 == 0 and signs:  # what is left in the span of the support is rounding
            basis = np.linalg.qr(atoms[list(signs)].T)[0]
            for _ in range(2):
                rest -= basis @ (basis.T @ rest)
        joined = _join(atoms, y, z, signs, rest, l1, nonneg, norms, barred, eps)
        if joined < 0:
            return best, True
    return best, False


def _outside(atoms, support, j):
    """Whether atom j has a part of its own beside a support; and its combination of the support."""
    if len(support) >= atoms.shape[1]:
        return False, np.linalg.lstsq(atoms[support].T, atoms[j], rcond=None)[0]
    basis, triangle = np.linalg.qr(atoms[support].T)
    along = basis.T @ atoms[j]
    rest = atoms[j] - basis @ along
    rest -= basis @ (basis.T @ rest)
    least = np.linalg.norm(atoms[j]) * 8 * np.finfo(float).eps * np.sqrt(atoms.shape[1])
    return np.linalg.norm(rest) > least, np.linalg.solve(triangle, along)


def _minimum(atoms, y, signs, l1):
    """The minimiser over a support with the signs held."""
    on = list(signs)
    basis, triangle = np.linalg.qr(atoms[on].T)
    return np.linalg.solve(
        triangle, basis.T @ y - l1 * np.linalg.solve(triangle.T, np.array(list(signs.values())))
    )


def _descend(atoms, y, z, signs, l1):
    """Go to the minimiser over the support; what changes its sign on the way leaves."""
    while signs:
        on, s = list(signs), np.array(list(signs.values()))
        to, old = _minimum(atoms, y, signs, l1), z[on]
        wrong = to * s <= 0
        reach = np.where(wrong, old / np.where(wrong, old - to, 1), 1)
        length = min(1, reach.min())
        z[on] = np.where(wrong & (reach <= length), 0, old + length * (to - old) if length < 1 else to)
        gone = [j for j in on if z[j] * signs[j] <= 0]
        if not gone:
            return
        for j in gone:
            z[j] = 0
            del signs[j]


def _join(atoms, y, z, signs, rest, l1, nonneg, norms, barred, eps):
    """Let in the atom whose condition is missed most; gives it, or -1."""
    left = np.linalg.norm(rest)
    if l1 == 0 and left <= 4 * eps * np.linalg.norm(y):
        return -1
    slope = atoms @ rest
    missed = (slope if nonneg else np.abs(slope)) - l1
    order = np.argsort(-missed / np.where(norms > 0, norms, 1), kind="stable")
    for j in map(int, order):
        if j in signs or j in barred or norms[j] == 0 or missed[j] <= 1e-13 * l1 + 4 * eps * norms[j] * left:
            continue
        s, taken = np.sign(slope[j]) or 1.0, 0.0
        free, combination = _outside(atoms, list(signs), j)
        while not free and l1 > 0:
            on = list(signs)
            towards = combination * s * np.array([signs[a] for a in on]) > 0
            if not towards.any():
                break
            reach = np.where(towards, np.abs(z[on] / np.where(towards, combination, 1)), np.inf)
            most = reach.min()
            z[on] = np.where(reach == most, 0, z[on] - s * most * combination)
            taken += most
            for a in on:
                if z[a] * signs[a] <= 0:
                    z[a] = 0
                    del signs[a]
            free, combination = _outside(atoms, list(signs), j)
        if not free:
            continue
        z[j], signs[j] = s * taken, s
        if z[j] != 0 or _minimum(atoms, y, signs, l1)[-1] * s > 0:
            return j
        del signs[j]
    return -1
