"""Where memory ends a fit or a kernel ends with a MemoryError, and the next one works."""

import sys

import pytest

from gramfold import _core

linux = pytest.mark.skipif(sys.platform != "linux", reason="Linux only")


OUT_OF_MEMORY = """
import resource
import numpy as np, scipy.sparse as sp, gramfold as gf
small = np.random.default_rng(0).random((300, 20))
expected = gf.NMF(3, tol=0, max_iter=5, random_state=0, n_threads=2).fit(small)
tall = np.broadcast_to(np.float64(1), (3_000_000, 50))
wide = np.broadcast_to(np.float64(1), (50, 3_000_000))
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
hard = resource.getrlimit(resource.RLIMIT_AS)[1]
resource.setrlimit(resource.RLIMIT_AS, (used + {spare} * 2**20, hard))
model = gf.NMF(64, init="random", random_state=0, tol=0, max_iter=1, n_threads=2)
for X in (tall, wide):
    for call in (model.fit, lambda X: gf.encode(X, np.ones((200, X.shape[1])))):
        try:
            call(X)
        except MemoryError:
            print("refused")
resource.setrlimit(resource.RLIMIT_AS, (hard, hard))
again = gf.NMF(3, tol=0, max_iter=5, random_state=0, n_threads=2).fit(small)
print((again.components_ == expected.components_).all(), hasattr(model, "components_"))
"""


@linux
def test_a_fit_without_memory_is_a_memory_error_and_the_next_one_works(run_python):
    out = run_python(OUT_OF_MEMORY.format(spare=300)).split()
    assert out[-2:] == ["True", "False"]
    assert out.count("refused") >= 3


KERNEL_OUT_OF_MEMORY = """
import resource
import numpy as np
from gramfold import _core
rng = np.random.default_rng(0)
k, rows, cols = 64, 4000, 30_000
x, f = np.broadcast_to(np.float64(1), (rows, cols)), rng.random((cols, k))
out, sums = np.empty((rows, k)), np.empty((cols, k))
gram = f.T @ f
def call(x, f, sums, n_threads):
    return _core.kernels.hals(
        x=x, p=None, f=f, gram=gram, inverse=None, start=None, previous=None, beta=0.0, out=out, sums=sums,
        l1=0.0, nonneg=True, max_sweeps=1, polish=0, shrink=0.0, tol=0.0, cross=False, squares=True,
        n_threads=n_threads)[2:]
few = (np.ones((rows, 30)), f[:30], sums[:30])
expected = call(*few, 2)
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
hard = resource.getrlimit(resource.RLIMIT_AS)[1]
for spare in (0, 1, 4, 16, 40, 80):
    resource.setrlimit(resource.RLIMIT_AS, (used + spare * 2**20, hard))
    for n_threads in (1, 2):
        try:
            call(x, f, sums, n_threads)
        except MemoryError:
            print("refused")
    resource.setrlimit(resource.RLIMIT_AS, (hard, hard))
print(call(*few, 2) == expected)
"""


@linux
@pytest.mark.skipif(_core.level == "numpy", reason="NumPy's allocations are its own")
def test_every_allocation_of_a_kernel_may_fail(run_python):
    out = run_python(KERNEL_OUT_OF_MEMORY).split()
    assert out[-1] == "True"
    assert out.count("refused") >= 4
