"""The HALS kernel refuses every argument that does not fit the others."""

import numpy as np
import pytest
from kernel_cases import csr, data


def hals_arguments(dtype):
    x, f, (start, previous) = data(6, 5, 3, dtype)
    return {
        "x": x, "p": None, "f": f, "gram": f.T.astype(float) @ f, "inverse": np.eye(3),
        "start": start, "previous": previous, "beta": 0.5, "out": np.empty((6, 3), dtype),
        "sums": np.empty((5, 3), dtype), "l1": 0.0, "nonneg": True, "max_sweeps": 1, "polish": 0,
        "shrink": 0.0, "tol": 0.0, "cross": True, "squares": True, "n_threads": 1,
    }  # fmt: skip


def locked(a):
    a.flags.writeable = False
    return a


def wrong_arguments(dtype):
    other = np.float32 if dtype == np.float64 else np.float64
    data, indices, indptr, cols = csr(np.eye(6, 5, dtype=dtype), np.int32)
    ones = np.ones
    return {
        "x": [
            ones((6, 5), other), ones(6, dtype), ones((6, 4), dtype), ones((6, 5), dtype).tolist(), None,
            (data, indices, indptr),
            (data.astype(other), indices, indptr, cols), (data, indices.astype(np.int64), indptr, cols),
            (data, indices.astype(float), indptr, cols), (data[:-1], indices, indptr, cols),
            (data, indices, indptr[:0], cols), (data, indices, indptr + 1, cols),
            (data, indices, indptr, cols + 1), (data[::2], indices[::2], indptr, cols),
        ],
        "p": [ones((6, 2), dtype), ones((6, 3), other), ones(6, dtype), ones((5, 3), dtype)],
        "f": [ones((5, 3), other), ones(5, dtype), ones((4, 3), dtype), ones((5, 2), dtype), None],
        "gram": [np.eye(2), np.eye(3, dtype=np.float32), ones(9), np.eye(3)[:, ::-1], None],
        "inverse": [np.eye(2), np.eye(3, dtype=np.float32), ones(9)],
        "start": [ones((6, 2), dtype), ones((5, 3), dtype), ones((6, 3), other), None],
        "previous": [ones((6, 2), dtype), ones((5, 3), dtype), ones((6, 3), other)],
        "out": [ones((6, 2), dtype), ones((5, 3), dtype), ones((6, 3), other),
                locked(ones((6, 3), dtype)), ones((3, 6), dtype).T],
        "sums": [ones((4, 3), dtype), ones((5, 2), dtype), ones((5, 3), other),
                 locked(ones((5, 3), dtype))],
        "beta": ["1", None], "l1": ["1", None], "max_sweeps": [1.5, None, 2**40],
        "polish": [1.5, None], "shrink": ["0"], "tol": ["0"], "n_threads": [0, -1, 1.5, None],
    }  # fmt: skip


@pytest.mark.parametrize("name", wrong_arguments(np.float64))
def test_a_compiled_kernel_refuses_what_does_not_fit(compiled, dtype, name):
    for wrong in wrong_arguments(dtype)[name]:
        with pytest.raises((ValueError, TypeError)):
            compiled.hals(**hals_arguments(dtype) | {name: wrong})
    compiled.hals(**hals_arguments(dtype))
