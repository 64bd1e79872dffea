"""Where an allocation fails a call ends with a MemoryError; nothing is kept, and the next call is right.

Those of the kernels and of NumPy's arrays fail, one at a time and all from one on. The usual run tries some
of them in every third way to fit; `pytest -m slow` all.
"""

import pytest

from gramfold import _core

COMPILED = [level for level in _core.available() if level != "numpy"]
ALL = 1 << 40
slow = pytest.mark.slow


@pytest.mark.parametrize("level", COMPILED)
@pytest.mark.parametrize("most", [12, pytest.param(2000, marks=slow)])
def test_any_allocation_of_a_kernel_may_fail(run_failing, level, most):
    out = run_failing(f"import sweeps; sweeps.kernels({level!r}, {most}, each={1 if most < 100 else 3})")
    assert out.endswith("all kernels\n")


@pytest.mark.parametrize("most", [3, pytest.param(100, marks=slow)])
def test_any_allocation_of_a_kernel_in_three_threads_may_fail(run_failing, most):
    if not COMPILED:
        pytest.skip("needs compiled kernels")
    out = run_failing(f"import sweeps; sweeps.kernels({COMPILED[0]!r}, {most}, sweeps.LARGE, 3)")
    assert out.endswith("all kernels\n")


def test_a_call_that_ends_in_code_of_no_file_has_failed(run_failing):
    out = run_failing("""
import failing, sweeps
code = compile("def call(): raise MemoryError", "<in no file>", "exec")
exec(code)
print(sweeps.called(call, failing.NEVER, False), sweeps.called(lambda: 3, failing.NEVER, False))
""")
    assert out == "('', None) (None, 3)\n"


def test_any_allocation_of_a_fit_may_fail(run_failing):
    assert run_failing("import sweeps; sweeps.fits(2, 0, 3)").endswith("all fits\n")


@slow
@pytest.mark.parametrize("part", range(24))
def test_every_allocation_of_a_fit_may_fail(run_failing, part):
    out = run_failing(f"import sweeps; sweeps.fits({ALL}, {part}, 24, both=True)", 3600)
    assert out.endswith("all fits\n")


@pytest.mark.skipif(not COMPILED or _core.kernels.threading() != "pool", reason="gramfold's own threads only")
@pytest.mark.parametrize("threads", [0, 1, 2])
def test_where_threads_cannot_be_started_fewer_give_the_same_bits(run_failing, threads):
    out = run_failing(f"""
import os
import numpy as np, gramfold as gf, failing
from gramfold import _core
X = np.random.default_rng(0).random((20_000, 40))
def fit(n_threads):
    model = gf.NMF(32, init="random", random_state=0, max_iter=3, tol=0, n_threads=n_threads).fit(X)
    return model.components_.tobytes()
expected = fit(1)
failing.watch_kernels(_core.level)
before = len(os.listdir("/proc/self/task"))
failing.LIB.leave_threads({threads})
assert fit(4) == expected
assert len(os.listdir("/proc/self/task")) - before == {threads}
failing.LIB.leave_threads(-1)
assert fit(4) == expected
assert len(os.listdir("/proc/self/task")) - before == 3
print("same")
""")
    assert out == "same\n"
