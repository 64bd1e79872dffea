"""The kernel of PCA at every level against its NumPy twin."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from gramfold._core import reference


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize(
    "shape", [(1, 1, 1), (50, 1, 1), (193, 31, 3), (300, 97, 9), (5, 200, 2), (200, 259, 3)], ids=str
)
@pytest.mark.parametrize("weighted", [False, True])
def test_the_centred_pass_is_its_twin(kernels, dtype, shape, order, weighted):
    rows, cols, k = shape
    rng = np.random.default_rng(0)
    x = np.asarray(rng.standard_normal((rows, cols)) + 3, dtype, order=order)
    q = rng.standard_normal((cols, k)).astype(dtype)
    weights = rng.random(rows) if weighted else None
    scale = rng.random(cols) if weighted else None
    for by_row, shift, basis in (
        (False, rng.random(cols), None),
        (False, None, q),
        (True, None, q),
        (True, None, None),
    ):
        results = []
        for module, kind in ((kernels, dtype), (reference, np.float64)):
            side, some = (cols, {}) if basis is None else (k, {"products": (rows, k), "image": (k, cols)})
            out = {"gram": np.empty((side, side)), "total": np.empty(cols), "products": None, "image": None}
            out |= {name: np.empty(size, kind) for name, size in some.items()}
            squares = module.centred(
                x=x.astype(kind), shift=shift, weights=weights, scale=scale, by_row=by_row,
                q=None if basis is None else basis.astype(kind), **out, n_threads=2,
            )  # fmt: skip
            results.append({**out, "squares": squares})
        mine, theirs = results
        for name, expected in theirs.items():
            if expected is not None:
                atol = 16 * (np.sqrt(rows + cols) + 4) * np.finfo(dtype).eps * (np.abs(expected).max() + cols)
                assert_allclose(mine[name], expected, rtol=0, atol=atol, err_msg=name)
