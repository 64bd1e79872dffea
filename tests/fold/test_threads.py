"""Threads and processes: the same bits however many, and nothing that hangs or breaks."""

import contextlib
import multiprocessing
import os
import sys
import threading

import numpy as np
import pytest
import scipy.sparse as sp
from fold.cases import data, fit
from joblib import Parallel, delayed
from numpy.testing import assert_array_equal

from gramfold import _core

pool = pytest.mark.skipif(_core.kernels.threading() != "pool", reason="gramfold's own threads only")
linux = pytest.mark.skipif(sys.platform != "linux", reason="Linux only")
FORMS = {
    "dense": lambda x: x, "fortran": np.asfortranarray, "wide": lambda x: np.ascontiguousarray(x.T),
    "wide fortran": lambda x: x.T, "csr": sp.csr_array, "wide csr": lambda x: sp.csr_array(x.T),
}  # fmt: skip


def same(a, b):
    assert_array_equal(a.components_, b.components_)
    assert_array_equal(a.history_["objective"], b.history_["objective"])
    assert_array_equal(a.history_["kkt"], b.history_["kkt"])
    assert a.reconstruction_err_ == b.reconstruction_err_
    assert a.kkt_residual_ == b.kkt_residual_


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("options", [{}, {"alpha_W": 1e-3, "l1_ratio": 0.5}, {"W_nonneg": False}], ids=str)
def test_a_fit_has_the_same_bits_for_any_number_of_threads(form, options, dtype):
    X = FORMS[form](data(dtype))
    one = fit(X, n_threads=1, **options)
    W = one.transform(X)
    for n_threads in (2, 3, 7):
        other = fit(X, n_threads=n_threads, **options)
        same(other, one)
        assert_array_equal(other.transform(X), W)


def test_fits_in_several_python_threads_are_the_serial_ones():
    inputs = [data(rows=2000 + 300 * i) for i in range(4)]
    serial = [fit(X, n_threads=2) for X in inputs]
    found = [None] * 4

    def work(i):
        found[i] = fit(inputs[i], n_threads=2)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for a, b in zip(found, serial, strict=True):
        same(a, b)


def test_far_more_threads_than_cpus_and_chunks_give_the_same_bits():
    X = data()
    same(fit(X, n_threads=100), fit(X, n_threads=1))


@pytest.mark.parametrize("n_threads", [None, 2])
@pytest.mark.parametrize("backend", ["loky", "multiprocessing", "threading"])
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_joblib_gives_the_serial_fits(backend, n_threads):
    # A start from the SVD would have the bits of NumPy's BLAS, whose threads loky limits.
    inputs = [data(rows=1000), data(rows=1500)]
    jobs = [delayed(fit)(X, init="random", n_threads=n_threads) for X in inputs]
    found = Parallel(n_jobs=2, backend=backend)(jobs)
    for model, X in zip(found, inputs, strict=True):
        same(model, fit(X, init="random", n_threads=1))


def in_child(queue, X):
    queue.put(fit(X, n_threads=2).components_)


@linux
# From Python 3.12 on, fork warns if the process has threads, which it may have from other libraries.
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_child_forked_after_a_parallel_fit_can_fit():
    X = data()
    expected = fit(X, n_threads=2).components_
    context = multiprocessing.get_context("fork")
    queue = context.SimpleQueue()
    child = context.Process(target=in_child, args=(queue, X))
    child.start()
    child.join(timeout=30)
    hung = child.is_alive()
    if hung:
        child.kill()
    assert not hung
    assert child.exitcode == 0
    assert_array_equal(queue.get(), expected)
    same(fit(X, n_threads=2), fit(X, n_threads=1))


# Each child forks again; other threads of the parent hold the pool's lock now and then.
FORKED_MEANWHILE = """
import os, threading
import numpy as np
from gramfold import _core
x = np.random.default_rng(0).random((20_000, 50))
expected, ended = _core.kernels.scan(x=x, n_threads=1), threading.Event()
def work():
    while not ended.is_set():
        assert _core.kernels.scan(x=x, n_threads=3) == expected
threads = [threading.Thread(target=work) for _ in range(2)]
for thread in threads:
    thread.start()
for _ in range(10):
    child = os.fork()
    if not child:
        assert _core.kernels.scan(x=x, n_threads=2) == expected
        grandchild = os.fork()
        assert _core.kernels.scan(x=x, n_threads=3) == expected
        os._exit(os.waitpid(grandchild, 0)[1] if grandchild else 0)
    assert os.waitpid(child, 0)[1] == 0
ended.set()
for thread in threads:
    thread.join()
print("all")
"""


@linux
def test_children_forked_while_other_threads_work_can_work(run_python):
    assert run_python(FORKED_MEANWHILE) == "all\n"


FORKED_IN_THE_MIDST = """
import os, signal
import numpy as np
from gramfold import _core
x, f = np.ones((20_000, 64)), np.random.default_rng(0).random((64, 64))
out = np.zeros((len(x), 64))
child, inside = None, False
def fork(number, frame):
    global child
    if inside:
        child = os.fork()
    else:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
def hals(sweeps):
    global inside
    inside = True
    _core.kernels.hals(
        x=x, p=None, f=f, gram=f.T @ f, inverse=None, start=None, previous=None, beta=0.0, out=out, sums=None,
        l1=0.0, nonneg=True, max_sweeps=sweeps, polish=0, shrink=0.0, tol=0.0, cross=False, squares=True,
        n_threads=2)
    inside = False
signal.signal(signal.SIGALRM, fork)
signal.setitimer(signal.ITIMER_REAL, 0.05)
try:
    while child is None:
        hals(50)
except RuntimeError as error:
    assert "forked" in str(error)
    hals(1)
    os._exit(7)
assert child, child
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@linux
@pool
def test_a_child_forked_by_a_signal_handler_in_the_midst_of_a_kernel_raises(run_python):
    assert run_python(FORKED_IN_THE_MIDST) == "7\n"


@linux
@pool
def test_an_exception_in_any_thread_reaches_the_caller_and_the_threads_serve_on():
    sound = np.zeros(2**21, np.int32)
    starts = np.arange(2**21 + 1, dtype=np.int32)
    for at in (0, 2**20, -1):
        wrong = sound.copy()
        wrong[at] = 1
        for n_threads in (2, 3):
            with pytest.raises(ValueError, match=r"X\.indices"):
                _core.kernels.repeats(columns=wrong, starts=starts, cols=1, n_threads=n_threads)
            assert not _core.kernels.repeats(columns=sound, starts=starts, cols=1, n_threads=n_threads)


NO_THREADS = """
import resource
import numpy as np
from gramfold import _core
x = np.random.default_rng(0).random((20_000, 50))
expected = _core.kernels.scan(x=x, n_threads=1)
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 2**20, resource.getrlimit(resource.RLIMIT_AS)[1]))
print(_core.kernels.scan(x=x, n_threads=4) == expected)
"""


@linux
@pool
def test_where_no_thread_can_be_started_the_caller_works_alone(run_python):
    assert run_python(NO_THREADS) == "True\n"


THREADS_LEFT = """
import os, threading, time
import numpy as np
from gramfold import _core
x = np.random.default_rng(0).random((20_000, 50))
before = len(os.listdir("/proc/self/task"))
most = before + max(3, os.cpu_count() - 1)
def work():
    for _ in range(50):
        _core.kernels.scan(x=x, n_threads=4)
for _ in range(5):
    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
while len(os.listdir("/proc/self/task")) > most:  # joined threads may still be on their way out
    time.sleep(0.01)
print("shared")
"""


@linux
@pool
def test_calls_share_their_threads_and_the_process_ends_while_these_are_idle(run_python):
    assert run_python(THREADS_LEFT) == "shared\n"


def test_no_file_or_thread_is_left_behind():
    if not os.path.isdir("/proc/self/fd"):
        pytest.skip("needs /proc")
    fit(data(), n_threads=2)
    before = len(os.listdir("/proc/self/fd")), threading.active_count()
    for _ in range(3):
        with contextlib.suppress(KeyError):
            fit(data(), n_threads=2, callback={}.__getitem__)
    assert (len(os.listdir("/proc/self/fd")), threading.active_count()) == before
