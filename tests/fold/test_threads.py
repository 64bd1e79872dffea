"""Threads, processes and signals: the same bits however many, and nothing that hangs or breaks."""

import contextlib
import multiprocessing
import os
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest
import scipy.sparse as sp
from fold.cases import data, fit
from joblib import Parallel, delayed
from numpy.testing import assert_array_equal

import gramfold as gf
from gramfold import _core
from gramfold.fit.arguments import effective_threads

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
out = np.zeros((len(x), 64))
signal.setitimer(signal.ITIMER_REAL, 0.3)
def interrupt(number, frame):
    raise KeyboardInterrupt
signal.signal(signal.SIGALRM, interrupt)
try:
    _core.kernels.hals(
        x=x, p=None, f=f, gram=f.T @ f, inverse=None, start=None, previous=None, beta=0.0, out=out, sums=None,
        l1=0.0, nonneg=True, max_sweeps=2000, polish=0, shrink=0.0, tol=0.0, cross=False, squares=True,
        n_threads={n_threads})
except KeyboardInterrupt:
    print("interrupted", bool((out[-1] == 0).all()))
"""


@linux
@pytest.mark.skipif(_core.level == "numpy", reason="NumPy's products are not interrupted")
@pytest.mark.parametrize("n_threads", [1, 2])
def test_an_interrupt_ends_a_single_kernel_between_its_blocks(run_python, n_threads):
    code = KERNEL_INTERRUPTED.format(n_threads=n_threads)
    assert run_python(code) == "interrupted True\n"


THREADS = "import gramfold as gf; print(gf.show_config()['threads'])"


@pytest.mark.parametrize(("setting", "threads"), [("1", 1), ("3", 3), ("4,2", 4)])
def test_the_environment_sets_the_default_number_of_threads(run_python, setting, threads):
    assert run_python(THREADS, OMP_NUM_THREADS=setting) == f"{threads}\n"


@linux
@pytest.mark.parametrize("setting", ["", "0", "many"])
def test_without_a_number_the_affinity_sets_the_default(run_python, setting):
    pinned = "import os; os.sched_setaffinity(0, list(os.sched_getaffinity(0))[:1])\n"
    assert run_python(pinned + THREADS, OMP_NUM_THREADS=setting) == "1\n"


def test_the_configuration_says_whose_threads_run():
    config = gf.show_config()
    expected = ["none"] if config["level"] == "numpy" else ["pool", "OpenMP"]
    assert sum(name in config["threading"] for name in expected) == 1


def test_the_argument_comes_before_the_environment(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    assert effective_threads(None) == 5
    assert effective_threads(2) == effective_threads(np.int64(2)) == 2
    for wrong in (0, -1, 1.0, True, "2"):
        with pytest.raises(ValueError, match="n_threads"):
            effective_threads(wrong)


FIT = """
import numpy as np, gramfold as gf
X = np.random.default_rng(0).random((300, 20))
model = gf.NMF(4, tol=0, max_iter=10, random_state=0).fit(X)
print(gf.show_config()["level"], repr(float(model.reconstruction_err_)))
"""


def test_the_environment_forces_each_level_and_all_agree(run_python):
    found = {level: run_python(FIT, GRAMFOLD_ISA=level).split() for level in _core.available()}
    assert [name for name, _ in found.values()] == list(found)
    errors = [float(error) for _, error in found.values()]
    assert errors == pytest.approx([errors[0]] * len(errors), rel=1e-9)
    assert run_python(FIT, GRAMFOLD_ISA="").split()[0] == _core.available()[0]


def test_a_level_that_is_not_there_is_an_import_error_with_those_that_are(run_python):
    code = "try:\n    import gramfold\nexcept ImportError as error:\n    print(error)"
    message = run_python(code, GRAMFOLD_ISA="v9")
    assert "GRAMFOLD_ISA='v9'" in message
    assert ", ".join(_core.available()) in message


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


def test_importing_leaves_the_settings_of_the_process_alone(run_python):
    code = (
        "import os, signal\n"
        "before = signal.getsignal(signal.SIGINT), dict(os.environ)\n"
        "import gramfold\n"
        "print((signal.getsignal(signal.SIGINT), dict(os.environ)) == before)"
    )
    assert run_python(code) == "True\n"


def test_no_file_or_thread_is_left_behind():
    if not os.path.isdir("/proc/self/fd"):
        pytest.skip("needs /proc")
    fit(data(), n_threads=2)
    before = len(os.listdir("/proc/self/fd")), threading.active_count()
    for _ in range(3):
        with contextlib.suppress(KeyError):
            fit(data(), n_threads=2, callback={}.__getitem__)
    assert (len(os.listdir("/proc/self/fd")), threading.active_count()) == before
