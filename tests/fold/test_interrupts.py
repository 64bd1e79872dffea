"""A signal ends a long fit or kernel soon, and the process works on."""

import signal
import subprocess
import sys

import pytest

from gramfold import _core

linux = pytest.mark.skipif(sys.platform != "linux", reason="Linux only")


# A shell that starts the tests in the background has them ignore SIGINT.
INTERRUPTED = """
import signal
import numpy as np, gramfold as gf
signal.signal(signal.SIGINT, signal.default_int_handler)
X = np.random.default_rng(0).random({shape})
def ready(info):
    if info.iteration == 1:
        print("running", flush=True)
try:
    gf.NMF({k}, tol=0, max_iter=10**7, init="random", n_threads=2, callback=ready).fit(X)
except KeyboardInterrupt:
    print("interrupted", flush=True)
model = gf.NMF(2, tol=0, max_iter=5, n_threads=2).fit(X[:100])
print("fitted", model.n_iter_, flush=True)
"""


@pytest.mark.parametrize("size", [{"shape": (20_000, 100), "k": 100}, {"shape": (300, 20), "k": 5}], ids=str)
@linux
def test_an_interrupt_ends_a_long_fit_within_a_second_and_another_fit_works(size):
    program = INTERRUPTED.format(**size)
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout.readline() == "running\n"
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=5)
        finally:
            process.kill()
    assert out.splitlines() == ["interrupted", "fitted 5"], err


KERNEL_INTERRUPTED = """
import signal
import numpy as np
from gramfold import _core
x, f = np.ones((200_000, 64)), np.random.default_rng(0).random((64, 64))
def interrupt(number, frame):
    raise KeyboardInterrupt
signal.signal(signal.SIGALRM, interrupt)
for n_threads in (1, 2):
    out = np.zeros((len(x), 64))
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    try:
        _core.kernels.hals(
            x=x, p=None, f=f, gram=f.T @ f, inverse=None, start=None, previous=None, beta=0.0, out=out,
            sums=None, l1=0.0, nonneg=True, max_sweeps=2000, polish=0, shrink=0.0, tol=0.0, cross=False,
            squares=True, n_threads=n_threads)
    except KeyboardInterrupt:
        print("interrupted", bool((out[-1] == 0).all()))
"""


@linux
@pytest.mark.skipif(_core.level == "numpy", reason="NumPy's products are not interrupted")
def test_an_interrupt_ends_a_single_kernel_between_its_blocks(run_python):
    assert run_python(KERNEL_INTERRUPTED) == "interrupted True\n" * 2
