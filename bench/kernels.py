"""A small call of every kernel, always the same: what `bench.instructions` counts."""

import copy
import inspect
from typing import Any

import numpy as np
import scipy.sparse as sp

from gramfold._core import reference

ROWS, COLS, K = 1200, 150, 24
BALLS = -(-ROWS // 48)
PLACES = (BALLS - (-BALLS // 48)) * 48

Arguments = dict[str, Any]
NUMBERS: Arguments = {
    "n_threads": 1, "nonneg": True, "l1": 0.0, "l2": 0.0, "beta": 0.0, "tol": 0.0, "shrink": 0.0,
    "scale": 1.0, "max_sweeps": 4, "max_rounds": 60, "polish": 0, "cross": False, "squares": True, "most": K,
    "cols": COLS, "one_by_one": False, "ols": False, "ball": True, "unused": 0.0, "sweeps": 4, "n_far": 0,
    "look": False,
    "loose": False,
    "nonneg_codes": False, "nonneg_atoms": False, "penalty": 0.1, "hard": True, "floor": 0.0,
    "loss_at_start": True, "measure_at_end": True, "measure_start": True, "measure_end": True, "search": True,
    "wide": False, "by_row": False, "dual": False, "lam": 0.7, "mu_old": 1.1, "mu": 1.3, "mu_next": 1.9,
    "damping_old": 1.0, "damping": 1.0, "relax": 1.0, "same": 0.99, "eps": 1e-7,
}  # fmt: skip


def _shared() -> Arguments:
    """What an argument of this name mostly is; one that is not here is None."""
    rng = np.random.default_rng(0)
    w, h = rng.random((ROWS, K), np.float32), rng.random((K, COLS), np.float32) ** 4
    x = rng.poisson(w @ h / 4).astype(np.float32)
    f = np.ascontiguousarray(h.T)
    return NUMBERS | {
        "x": x, "f": f, "gram": f.T.astype(np.float64) @ f, "start": w, "out": np.empty_like(w), "w": w,
        "h": h, "atoms": h / np.linalg.norm(h, axis=1)[:, None], "residual": x - w @ h,
        "sums": np.empty_like(f), "centers": x[:K], "candidates": x[:8], "shift": x.mean(axis=0),
        "score": np.empty(ROWS),
    }  # fmt: skip


def _stored(x: Any) -> Any:
    s = sp.csr_array(x)
    return s.data, s.indices, s.indptr, s.shape[1]


def _parts(codes: Any) -> Any:
    return codes.data, codes.indices.astype(np.int32), codes.indptr.astype(np.int64)


def _rows(own: Arguments) -> dict[str, Arguments]:
    """Rows solved against a factor, and coded in a dictionary."""
    inverse = np.linalg.pinv(own["gram"])
    exact = {"inverse": inverse, "start": None, "max_sweeps": 100, "polish": 8, "tol": 1e-4}
    missing = np.where(np.random.default_rng(1).random((ROWS, COLS)) < 0.2, np.float32(np.nan), own["x"])
    double = {"atoms": own["h"].astype(np.float64), "y": own["x"][:200].astype(np.float64)}
    updates = {"scale": np.ones(K), "num": np.empty_like(own["f"]), "den": np.empty_like(own["f"])}
    slope = {"slope": own["f"].sum(axis=0, dtype=np.float64)}
    coded = {"l1": 0.1, "tol": 1e-4, "start": None}
    return {
        "hals": {}, "hals, sparse": {}, "hals, to minimisers": exact,
        "orthogonal_rows": double | {"codes": np.zeros((200, K)), "ended": np.zeros(200, np.bool_)},
        "lasso": coded, "lasso, sparse": coded, "omp": {"most": 6}, "omp, sparse": {"most": 6},
        "masked_hals": {"x": missing}, "masked_hals, sparse": {},
        "multiplicative, beta 1": updates | {"beta": 1.0}, "multiplicative, beta 2": updates | {"beta": 2.0},
        "multiplicative, beta 1, sparse": updates | {"beta": 1.0},
        "kl_coordinate": slope, "kl_coordinate, sparse": slope,
    }  # fmt: skip


def _dictionaries(own: Arguments) -> dict[str, Arguments]:
    codes = own["w"] * (np.random.default_rng(2).random(own["w"].shape) < 0.2)
    by_atom = {"codes": _parts(sp.csc_array(codes)), "weights": np.full_like(own["x"], 0.5)}
    return {
        "nonzeros": {"dense": codes}, "update_atoms": {"products": codes.T @ own["x"]},
        "residual": {"codes": _parts(sp.csr_array(codes)), "out": np.empty_like(own["x"])},
        "masked_atoms": by_atom, "ksvd_atoms": by_atom, "soup_atoms": by_atom,
    }  # fmt: skip


def _clusterings(own: Arguments, kernels: Any) -> dict[str, Arguments]:
    few = {"x": own["x"][:, :8].copy(), "centers": own["x"][:8, :8].copy(), "sums": np.empty((8, 8))}
    assigned = {"labels": np.full(ROWS, -1, np.int32), "sums": np.empty((K, COLS))}
    some = {"centers": own["x"][:8].copy(), "sums": np.empty((8, COLS))}
    far = np.square(own["x"][:, None] - own["x"][:K]).sum(axis=2)
    nearest = np.sqrt(np.sort(far, axis=1)[:, :2])  # half of the rows stay
    bounds = {
        "labels": far.argmin(axis=1).astype(np.int32), "lower": nearest[:, 1:].copy(),
        "upper": nearest[:, 0].copy(), "moved": np.full(K, float(np.median(nearest @ [-1, 1])) / 2),
    }  # fmt: skip
    seeds = {"out": np.empty((8, ROWS), np.float32), "sums": np.empty((-(-ROWS // 96), 8))}
    sketch = {
        "shift": own["shift"], "order": np.arange(ROWS, dtype=np.int32),
        "codes": np.empty((PLACES, -(-COLS // 4)), np.int32), "known": np.empty((4, PLACES), np.float32),
        "balls": np.empty((2, BALLS), np.float32),
    }  # fmt: skip
    kernels.sketch(x=own["x"], scale=1.0, n_threads=1, **sketch)
    sift = sketch | {
        "closest": np.square(own["x"] - own["x"][-1]).sum(axis=1), "marks": np.zeros(ROWS, np.uint16),
        "gains": np.empty((2, 8)),
    }  # fmt: skip
    moved = {
        "centers": own["x"][:K].copy(), "sums": own["x"][:K].astype(np.float64), "counts": np.ones(K),
        "ridge": 0.5, "mean": own["shift"].astype(np.float64), "frozen": 1, "unit": False,
        "steps": np.empty(K), "out": np.empty((K, COLS), np.float32),
    }  # fmt: skip
    closest = sift["closest"]
    blocks = np.add.reduceat(closest.astype(np.float64), np.arange(0, ROWS, 96))
    draw = sift | {
        "closest": closest.copy(), "uniform": np.random.default_rng(0).random((4, 8)), "sums": blocks,
        "first": 1, "labels": np.zeros(ROWS, np.int32), "rounding": 1e-5, "chosen": np.empty(4, np.int64),
    }  # fmt: skip
    return {
        "assign": assigned, "assign, sparse": assigned, "assign, few": assigned | few,
        "assign, few clusters": assigned | some, "assign, bounded": assigned | bounds,
        "distances": {}, "distances, sparse": {}, "seed": seeds, "seed, sparse": seeds,
        "sketch": sketch, "sift": sift, "draw_seeds": draw, "move_centers": moved,
    }  # fmt: skip


def _mixtures(own: Arguments) -> dict[str, Arguments]:
    labels = {"labels": np.empty(ROWS, np.int64)}
    poisson = labels | {
        "f": np.log(own["f"].astype(np.float64) + 1e-3), "bias": np.full(K, -np.log(K)),
        "slope": own["f"].sum(axis=0, dtype=np.float64), "sums": np.empty((COLS, K)),
        "resp": np.empty((ROWS, K)),
    }  # fmt: skip
    counts = {"totals": np.empty(ROWS), "factorials": np.empty(ROWS)}
    x = own["x"][:, :40].copy()
    d = x.shape[1]
    gauss = labels | {
        "x": x, "shift": np.zeros(d, np.float32), "scale": np.ones(d, np.float32), "centers": x[:K],
        "about": x[:K], "constants": np.zeros(K), "first": np.empty((K, d)),
        "resp": np.empty((ROWS, K), np.float32),
    }  # fmt: skip
    whitener = np.tile(np.eye(d, dtype=np.float32), (K, 1, 1))
    full = {"kind": "full", "factor": whitener, "second": np.empty((K, d, d))}
    diag = {"kind": "diag", "factor": np.ones((K, d), np.float32), "second": np.empty((K, d))}
    few = {
        "groups": np.arange(ROWS, dtype=np.int32) % K, "labels": np.empty(ROWS, np.int32),
        "lists": (np.arange(K, dtype=np.int32)[:, None] + np.arange(4, dtype=np.int32)) % K,
    }  # fmt: skip
    return {
        "poisson_mixture": poisson, "poisson_mixture, sparse": poisson, "count_rows": counts,
        "count_rows, sparse": counts, "gaussian_mixture, full": gauss | full,
        "gaussian_mixture, diag": gauss | diag, "truncated_mixture": gauss | diag | few,
    }  # fmt: skip


def _spectra(own: Arguments) -> dict[str, Arguments]:
    """PCA, robust PCA, ridge, and what all families use."""
    basis = np.linalg.qr(own["x"].T[:, :K])[0]
    through = {"q": basis, "gram": np.empty((K, K)), "products": np.empty_like(own["w"]),
               "image": np.empty((K, COLS), np.float32)}  # fmt: skip
    centre = {"shift": own["shift"].astype(np.float64), "scale": None}
    image = {"image": np.empty_like(own["f"])}
    left = {"left": own["w"], "z": np.zeros_like(own["x"])}
    data, indices, indptr, cols = _stored(own["x"])
    entries = {"x": (data, indices, indptr, cols), "z": np.zeros_like(data), "out": np.empty_like(data)}
    gram = {"gram": np.cov(own["x"].T[:60])}
    y, about = own["w"][:, :3].copy(), np.zeros(COLS + 3)
    moments = {"y": y, "shift": about.astype(np.float32)}
    misfit = {"y": y.astype(np.float64), "shift": about, "coefs": np.zeros((COLS, 3))}
    return {
        "centred": centre | {"gram": np.empty((COLS, COLS)), "total": np.empty(COLS)},
        "centred, through q": through | centre, "shrink": through | left | {"v": basis, "f": np.ones(K)},
        "shrink_sparse": entries | {"left": own["w"], "right": own["f"]},
        "moments": moments, "moments, sparse": moments, "misfit": misfit, "misfit, sparse": misfit,
        "repeats": {"columns": indices, "starts": indptr}, "scan": {}, "gram": {"f": own["w"]},
        "products": image, "products, sparse": image, "scanned_products": image, "pseudoinverse": gram,
        "repeated_atoms": gram, "squared_residual": {},
    }  # fmt: skip


def kernel_of(label: str) -> str:
    """The name of the kernel that a call is of."""
    return label.split(",")[0]


def calls(kernels: Any) -> dict[str, Arguments]:
    """Arguments of each call, by a label: the kernel's name, and what is particular."""
    own = _shared()
    sparse = {"x": _stored(own["x"])}
    every = _rows(own) | _dictionaries(own) | _clusterings(own, kernels) | _mixtures(own) | _spectra(own)
    found = {}
    for label, particular in every.items():
        given = own | (sparse if label.endswith(", sparse") else {}) | particular
        names = inspect.signature(getattr(reference, kernel_of(label))).parameters
        found[label] = {name: copy.deepcopy(given.get(name)) for name in names}
    return found
