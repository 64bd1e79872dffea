"""Ridge regression with coefficients of at least 0."""

import numpy as np

from ..fold.source import Array
from ..least_squares.rows import Penalty, Sweeps, solve_rows
from .data import Double
from .direct import EPS, Singular, Solve
from .faces import Faces, GramFaces, RowFaces

MOST_SWEEPS, POLISH = 10_000, 8
MANY = 512  # columns of which the kernel takes long for a row, and is not interrupted within it
MOST_FACES, PATIENCE = 200, 3
SLIGHT = 1e-10  # a penalty, of the largest square, that leaves the support about as it is without one


def nonnegative(gram: Double, linear: Double, alpha: Double) -> tuple[Double, bool]:
    """Minimise over b >= 0, exactly; also whether all targets ended."""
    p, t = linear.shape
    B, ended, faces = np.empty((p, t)), True, GramFaces(gram, linear)
    for value in np.unique(alpha):
        same = np.flatnonzero(alpha == value)
        left = []
        for target in same:
            found = pivoting(faces, int(target), float(value)) if p > MANY else None
            if found is None:
                left.append(target)
            else:
                B[:, target] = found
        if left:
            products = np.ascontiguousarray(linear[:, left].T)
            sweeps = Sweeps(MOST_SWEEPS, tol=1e-12, polish=POLISH)
            result = solve_rows(
                None, np.zeros((0, p)), gram, Penalty(l2=float(value)), sweeps, products=products, n_threads=1
            )
            B[:, left] = result.factor.T
            ended = ended and not result.unconverged
    return B, ended


def nonnegative_of_few_rows(faces: RowFaces, alpha: Double) -> tuple[Double, bool]:
    """The same without X'X."""
    B, ended = np.empty_like(faces.linear), True
    slight = SLIGHT * float(faces.squares.max(initial=0))
    for target, value in enumerate(alpha):
        found = pivoting(faces, target, float(value) or slight)
        if found is not None and value > 0:
            B[:, target] = found
            continue
        start = np.zeros(len(B)) if found is None else np.maximum(found, 0)
        B[:, target], done = active_set(faces, target, float(value), start)
        ended = ended and done
    return B, ended


def down_from(faces: Faces, alpha: Double, B: Double) -> tuple[Double, bool]:
    """The same from coefficients of at least 0, always down."""
    found = [active_set(faces, t, float(value), B[:, t].copy()) for t, value in enumerate(alpha)]
    return np.stack([b for b, _ in found], axis=1), all(ended for _, ended in found)


def pivoting(faces: Faces, target: int, alpha: float) -> Double | None:
    """Block principal pivoting (Kim & Park 2011) for one target; None where a face is singular."""
    linear, p = faces.linear[:, target], len(faces.linear)
    rounding = _rounding(faces, target, alpha)
    on = linear > 0
    fewest, patience = p + 1, PATIENCE
    for _ in range(MOST_FACES):
        b = np.zeros(p)
        try:
            b[on] = faces.solve(on, target, alpha, definite=True)[0]
        except Singular:
            return None
        wrong = np.where(on, b < 0, faces.pull(b, target) > rounding)
        count = int(np.count_nonzero(wrong))
        if count == 0:
            return b
        if count < fewest:
            fewest, patience = count, PATIENCE
        elif patience:
            patience -= 1
        else:
            wrong = np.arange(p) == np.flatnonzero(wrong)[-1]
        on ^= wrong
    return None


def active_set(faces: Faces, target: int, alpha: float, b: Double) -> tuple[Double, bool]:
    """Go from face to face, of any rank, and always down (Lawson & Hanson 1974); also whether that ended.

    A coefficient joins where the objective falls most; on the way to a face's minimum those that reach 0
    leave.
    """
    rounding = _rounding(faces, target, alpha)
    on, refused = b > 0, np.zeros(len(b), bool)
    joined = -1
    for _ in range(10 * MOST_FACES + 3 * len(faces.squares)):
        if on.any():
            best = np.zeros_like(b)
            best[on] = faces.solve(on, target, alpha)[0]
            if joined >= 0 and best[joined] <= 0:  # rounding alone made it join
                on[joined], refused[joined] = False, True
            else:
                leaves = on & (best <= 0)
                if leaves.any():
                    share = np.min(b[leaves] / (b[leaves] - best[leaves]))
                    b = np.where(on, np.maximum(b + share * (best - b), 0), 0)
                    on &= ~(leaves & (b <= EPS * np.abs(best)))
                    b[~on], joined = 0, -1
                    continue
                b, refused[:] = best, False
        gain = np.where(on | refused, 0, faces.pull(b, target) - rounding)
        joined = int(gain.argmax())
        if gain[joined] <= 0:
            return b, True
        on[joined] = True
    return b, False


def _rounding(faces: Faces, target: int, alpha: float) -> Double:
    sizes, linear = np.sqrt(faces.squares + alpha), faces.linear[:, target]
    relative = np.divide(np.abs(linear), sizes, out=np.zeros_like(sizes), where=sizes > 0)
    return np.asarray(len(sizes) * EPS * sizes * relative.max(initial=0))


def on_faces(faces: Faces, alpha: Double, B: Double) -> Solve:
    """What solves (X'X + alpha I) d = g where B > 0, d = 0 elsewhere.

    It raises `Singular` where X'X at hand is.
    """

    def solve(g: Double) -> Double:
        d = np.zeros_like(B)
        for t, value in enumerate(alpha):
            on: Array = B[:, t] > 0
            if on.any():
                correct = faces.solve(on, t, float(value), definite=isinstance(faces, GramFaces))[1]
                d[on, t] = np.maximum(correct(g[on, t : t + 1])[:, 0], -B[on, t])
        return d

    return solve
