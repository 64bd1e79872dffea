"""Sparse matrices that are joined, whose class is that of the parts with every SciPy."""

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_array_equal

from gramfold.io.matrix import csr_below, csr_beside, stacked

X = np.array([[0, 2.5, 0], [-1, 0, 0], [0, 0, 0]], np.float32)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, bool])
@pytest.mark.parametrize("kind", [sp.csr_array, sp.csr_matrix, sp.csc_array, sp.csc_matrix])
@pytest.mark.parametrize(
    ("join", "dense"), [(csr_below, np.vstack), (csr_beside, np.hstack), (stacked, np.vstack)]
)
def test_what_is_joined_keeps_its_class_and_its_type(join, dense, kind, dtype):
    parts = [part.astype(dtype) for part in (X, 2 * X, X * 0)]
    found = join([kind(part) for part in parts])
    assert type(found) is (sp.csr_array if issubclass(kind, sp.sparray) else sp.csr_matrix)
    assert found.dtype == dtype
    assert_array_equal(found.toarray(), dense(parts))


def test_arrays_among_matrices_make_an_array():
    found = csr_below(iter([sp.csr_matrix(X), sp.csr_array(X)]))
    assert type(found) is sp.csr_array
    assert_array_equal(found.toarray(), np.vstack([X, X]))
