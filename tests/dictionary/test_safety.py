"""Kernels of dictionaries called with anything do not crash, and an interrupt ends them within a second."""

import signal
import subprocess
import sys

import numpy as np
import pytest

linux = pytest.mark.skipif(sys.platform != "linux", reason="Linux only")

# A child process, since what it looks for ends one.
ANYTHING = """
import inspect, sys
import numpy as np, scipy.sparse as sp
from hypothesis import given, settings, strategies as st
from gramfold import _core
from gramfold._core import reference
kernels = _core.load({level!r})
sizes = st.sampled_from([0, 0, 1, 2, 17])
values = st.sampled_from([0.0, 1.0, -1.0, np.nan, np.inf, 1e300, 1e-300])
done = {{"refused": 0, "taken": 0}}

@st.composite
def arrays(draw, *shape, dtype=float):
    shape = [draw(sizes) if draw(st.integers(0, 9)) == 0 else side for side in shape]
    a = np.resize(np.array(draw(st.lists(values, min_size=1, max_size=5))), shape).astype(dtype)
    return a[..., ::-1] if draw(st.integers(0, 19)) == 0 else a

@st.composite
def codes(draw, major, minor, dtype):
    counts = draw(st.lists(st.integers(0, 3), min_size=major, max_size=major))
    starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    indices = np.array([draw(st.integers(0, max(0, minor - 1))) for _ in range(starts[-1])], np.int32)
    data = draw(arrays(len(indices), dtype=dtype))
    spoilt = draw(st.integers(0, 7))
    if spoilt == 0 and len(indices):
        wrong = draw(st.sampled_from([-1, minor, 2**31 - 1, -(2**31)]))
        indices[draw(st.integers(0, len(indices) - 1))] = wrong
    if spoilt == 1:
        starts[draw(st.integers(0, major))] = draw(st.sampled_from([-1, 1, 10**6, 2**62, -(2**62)]))
    return data, indices, starts

@st.composite
def calls(draw):
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    n, m, k = draw(sizes), draw(sizes), draw(sizes)
    flag, size, threads = st.booleans(), values, st.integers(-1, 3)
    r, w = (draw(arrays(n, m, dtype=dtype)) for _ in range(2))
    atoms = draw(arrays(k, m, dtype=dtype))
    by_atom, by_row = draw(codes(k, n, dtype)), draw(codes(n, k, dtype))
    name = draw(st.sampled_from(
        ["update_atoms", "residual", "masked_atoms", "ksvd_atoms", "soup_atoms", "repeated_atoms"]))
    f, s, t = (lambda: draw(flag)), (lambda: draw(size)), (lambda: draw(threads))
    arguments = {{
        "update_atoms": lambda: (atoms, draw(arrays(k, k)), draw(arrays(k, m, dtype=dtype)), s(), s(), f(),
                                 f(), s(), draw(st.integers(-1, 2))),
        "residual": lambda: (r, draw(st.sampled_from([w, None])), by_row, atoms,
                             draw(arrays(n, m, dtype=dtype)), t()),
        "masked_atoms": lambda: (r, w, by_atom, atoms, s(), s(), f(), f(), s(), t()),
        "ksvd_atoms": lambda: (r, by_atom, atoms, f(), f(), t()),
        "soup_atoms": lambda: (r, by_atom, atoms, s(), f(), f(), f(), t()),
        "repeated_atoms": lambda: (draw(arrays(k, k)), s()),
    }}[name]()
    return name, arguments

@settings(max_examples=400, derandomize=True, deadline=None, database=None)
@given(calls())
def call(given):
    name, arguments = given
    try:
        names = inspect.signature(getattr(reference, name)).parameters
        getattr(kernels, name)(**dict(zip(names, arguments, strict=True)))
        done["taken"] += 1
    except (ValueError, TypeError):
        done["refused"] += 1

call()
assert min(done.values()) > 50, done
print("alive")
"""


def test_kernels_of_dictionaries_take_or_refuse_anything(run_python, level):
    if level == "numpy":
        pytest.skip("NumPy checks its own indices")
    assert run_python(ANYTHING.format(level=level)) == "alive\n"


@pytest.mark.parametrize("nonneg", [False, True])
def test_rows_without_columns_have_atoms_without_entries(kernels, dtype, nonneg):
    r, atoms = np.empty((3, 0), dtype), np.empty((2, 0), dtype)
    codes = np.ones(2, dtype), np.array([0, 2], np.int32), np.array([0, 1, 2])
    kernels.ksvd_atoms(
        residual=r, codes=codes, atoms=atoms, nonneg_codes=nonneg, nonneg_atoms=nonneg, n_threads=1
    )
    found = kernels.soup_atoms(
        residual=r,
        codes=codes,
        atoms=atoms,
        penalty=0.1,
        hard=False,
        nonneg_codes=nonneg,
        nonneg_atoms=nonneg,
        n_threads=1,
    )
    assert len(found[0]) == len(found[1]) == found[2][-1]


def test_rows_that_codes_of_32_bits_cannot_name_are_refused(compiled):
    none = np.zeros(0), np.zeros(0, np.int32), np.zeros(2, np.int64)
    with pytest.raises(ValueError, match=r"fewer than 2\^31 rows"):
        compiled.soup_atoms(
            residual=np.empty((2**31, 0)),
            codes=none,
            atoms=np.empty((1, 0)),
            penalty=0.1,
            hard=False,
            nonneg_codes=False,
            nonneg_atoms=False,
            n_threads=1,
        )


# A shell that starts the tests in the background has them ignore SIGINT.
INTERRUPTED = """
import signal, threading
import numpy as np
from gramfold import _core
signal.signal(signal.SIGINT, signal.default_int_handler)
rng = np.random.default_rng(0)
atoms = rng.standard_normal((600, 2000)).astype(np.float32)
gram, products = atoms @ atoms.T, 2 * atoms
threading.Timer(0.2, print, ["running"], {"flush": True}).start()
try:
    _core.kernels.update_atoms(
        atoms=atoms, gram=gram.astype(float), products=products, l1=0.0, l2=0.0, nonneg=False, ball=True,
        unused=0.0, sweeps=10**6)
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


@linux
def test_an_interrupt_ends_the_update_of_atoms():
    with subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout.readline() == "running\n"  # the kernel has let go of the interpreter
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=10)
        finally:
            process.kill()
    assert out == "interrupted\n", err
