"""No model allocates the square of the longer side of X, dense or sparse, tall or wide."""

import sys

import numpy as np
import pytest
import scipy.sparse as sp
from entries import ENTRIES, counts

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the limit is Linux's")
LONG, SHORT = 8000, 24
ROOM = 120 << 20  # bytes; half of LONG x LONG in float32
# A covariance matrix is what these models are, and second moments what a sum over any number of rows is.
OF_COLUMNS = ("GaussianMixture, full", "GaussianMixture, tied", "Ridge.partial_fit")
BY_ROW = ("OnlineRobustPCA",)  # learns one row after the other: thousands of them take a minute


def limit_memory(room):
    """Let this process allocate `room` bytes more than it has."""
    import resource

    with open("/proc/self/status") as status:
        has = next(int(line.split()[1]) for line in status if line.startswith("VmData")) << 10
    resource.setrlimit(resource.RLIMIT_DATA, (has + room, has + room))


def run_all(shape):
    dense = counts(*shape)
    sparse = sp.csr_array(dense)
    for name, entry in ENTRIES.items():
        if name in (OF_COLUMNS if shape[1] == LONG else BY_ROW):
            continue
        for x, taken in ((dense, not entry.observed), (sparse, entry.sparse)):
            if taken:
                print(name, type(x), flush=True)
                entry.run(x, max_iter=3, batch_size=2000)
    with pytest.raises(MemoryError):  # the limit holds
        np.ones((LONG, LONG), np.float32)
    print("all run")


@pytest.mark.parametrize("shape", [(LONG, SHORT), (SHORT, LONG)], ids=["tall", "wide"])
def test_no_model_allocates_the_square_of_the_longer_side(run_python, shape):
    code = (
        "import warnings; warnings.simplefilter('ignore'); import test_memory as t; from entries import *; "
    )
    code += (
        "[entry.run(counts()) for entry in ENTRIES.values() if not entry.observed]; "  # what is lazily loaded
    )
    code += f"t.limit_memory({ROOM}); t.run_all({shape!r})"
    assert run_python(code, 900, OPENBLAS_NUM_THREADS="1").endswith("all run\n")
