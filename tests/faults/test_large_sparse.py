"""More than 2^31 stored entries: a CSR matrix of the same rows many times is learned from as those rows are.

Its indices and entries are one pattern that is mapped many times: it takes little memory, and some minutes.
"""

import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_array_equal

import gramfold as gf

sys.path.insert(0, str(Path(__file__).parent))

from repeated import repeated

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="maps memory as Linux does"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]
SIDE, TIMES = 2048, 513


@pytest.fixture(scope="module")
def rows():
    return np.random.default_rng(0).integers(1, 256, (SIDE, SIDE), dtype=np.uint8)


@pytest.fixture(scope="module")
def many(rows):
    data = repeated(rows.ravel(), TIMES)
    indices = repeated(np.tile(np.arange(SIDE), SIDE), TIMES)
    indptr = np.arange(SIDE * TIMES + 1) * SIDE
    x = sp.csr_array((data, indices, indptr), shape=(SIDE * TIMES, SIDE))
    assert x.nnz > 2**31
    return x


def test_clusters_of_many_stored_entries_are_those_of_the_rows(rows, many):
    start = np.random.default_rng(1).random((2, SIDE)).astype(np.float32) * 256
    found, alone = (gf.KMeans(2, init=start, max_iter=1).fit(x) for x in (many, sp.csr_array(rows)))
    assert_array_equal(found.labels_[-SIDE:], alone.labels_)
    assert_array_equal(np.bincount(found.labels_), TIMES * np.bincount(alone.labels_))
    np.testing.assert_allclose(found.cluster_centers_, alone.cluster_centers_, rtol=1e-6)


def test_atoms_learned_from_many_stored_entries_are_those_of_the_rows(rows, many):
    start = np.random.default_rng(1).random((2, SIDE)).astype(np.float32)
    options = {"fit_algorithm": "omp", "transform_n_nonzero_coefs": 1, "max_iter": 1, "tol": 0}
    found, alone = (
        gf.DictionaryLearning(2, dict_init=start, random_state=0, **options).fit(x).components_
        for x in (many, sp.csr_array(rows))
    )
    np.testing.assert_allclose(found, alone, rtol=0, atol=2e-6 * np.abs(alone).max())
