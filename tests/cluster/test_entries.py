"""Every public entry gives for a Dask array what it gives for the same segments read by this process."""

import numpy as np
import pytest
import scipy.sparse as sp
from cluster_cases import collection, parted
from entries import ENTRIES, counts
from numpy.testing import assert_allclose
from segment_cases import read

dask = pytest.importorskip("dask", reason="dask is of the extra dask")
LONG = ("RobustPCA, rank 1", "RobustPCA")  # in hundreds of passes; what they differ in from others is no pass
DENSE = [name for name in ENTRIES if name != LONG[0]]
SPARSE = [name for name, entry in ENTRIES.items() if entry.sparse and "," not in name and name not in LONG]
# What reads an array in memory rather than its segments: filled with means, it is one.
NEAR = ("PCA, missing",)


@pytest.mark.parametrize(
    ("name", "form"), [*((name, "dense") for name in DENSE), *((name, "CSR") for name in SPARSE)]
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_every_entry_takes_dask_arrays(name, form):
    entry = ENTRIES[name]
    X = counts(empty_row=entry.empty_row)
    X = sp.csr_array(X) if form == "CSR" else X
    expected = entry.run(read(X, 16))
    with dask.config.set(scheduler="synchronous"):
        found = entry.run(collection(parted(X, 16)))
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        if name in NEAR:
            assert_allclose(found[key], value, rtol=1e-10, atol=1e-10, err_msg=key)
        else:
            np.testing.assert_array_equal(found[key], value, err_msg=key)
