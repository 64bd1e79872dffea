"""No call of a kernel ends the process: it returns, or says what does not fit."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from kernel_cases import by_name
from kernel_fuzz import STUB, Case

from gramfold import _core

COMPILED = [level for level in _core.available() if level != "numpy"]
CALLS = 2800


def misaligned(a):
    return np.zeros(a.nbytes + 1, np.uint8)[1:].view(a.dtype).reshape(a.shape)


@pytest.mark.parametrize("level", COMPILED)
def test_calls_with_arguments_of_all_sorts_return_or_raise(level, tmp_path):
    trace, program = tmp_path / "at", Path(__file__).parent / "kernel_fuzz.py"
    arguments = [sys.executable, program, level, trace, "0", str(CALLS)]
    try:
        done = subprocess.run(
            arguments, env=os.environ, capture_output=True, text=True, timeout=300, check=False
        )
        code, said = done.returncode, done.stderr
    except subprocess.TimeoutExpired:
        code, said = "none within 300 s", ""
    assert code == 0, (
        f"exit {code} in call {trace.read_text()}: {Case(int(trace.read_text()))}\n{said[-2000:]}"
    )
    returned = json.loads(done.stdout)
    assert set(returned) == set(STUB)
    assert min(returned.values()) > 0, "what is behind the checks of some kernel was never reached"


def test_misaligned_data_is_refused_but_that_of_x(compiled, dtype):
    x, f = np.ones((5, 4), dtype), np.ones((4, 2), dtype)
    out = np.empty((5, 2), dtype)
    for bad in ((x, misaligned(f), out), (x, f, misaligned(out))):
        with pytest.raises((TypeError, ValueError)):
            by_name(compiled.products, *bad, None, 1)
    parts = x.ravel(), np.tile(np.arange(4), 5), np.arange(0, 21, 4)
    for i in (1, 2):
        bad = tuple(misaligned(p) if i == j else p for j, p in enumerate(parts))
        with pytest.raises((TypeError, ValueError)):
            compiled.products(x=(*bad, 4), f=f, out=out, image=None, n_threads=1)


@pytest.mark.parametrize(
    ("starts", "cols"),
    [([0, 3, 2], 4), ([0, 9, 3], 4), ([1, 2, 3], 4), ([0, 2, 9], 4), ([0, -2, 3], 4), ([], 4),
     ([0, 2, 3], -1), ([0, 2, 3], 0)],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("index", [np.int32, np.int64])
def test_row_pointers_that_lead_outside_are_refused(compiled, starts, cols, index):
    data, columns = np.ones(3), np.zeros(3, index)
    out = np.empty((max(0, len(starts) - 1), 2))
    with pytest.raises(ValueError, match=r"indptr|cols"):
        compiled.products(
            x=(data, columns, np.array(starts, index), cols),
            f=np.ones((max(cols, 0), 2)),
            out=out,
            image=None,
            n_threads=1,
        )


def test_nothing_times_nothing_is_nothing(kernels, dtype):
    assert kernels.pseudoinverse(gram=np.empty((0, 0)), eps=1e-16).shape == (0, 0)
    kernels.products(
        x=np.ones((5, 4), dtype),
        f=np.empty((4, 0), dtype),
        out=np.empty((5, 0), dtype),
        image=None,
        n_threads=1,
    )
    image = np.empty((4, 0), dtype)
    kernels.products(x=np.ones((5, 4), dtype), f=np.empty((4, 0), dtype), out=None, image=image, n_threads=1)


@pytest.mark.parametrize("arguments", [(0.0, 0), (0.0, -1), (-1.0, 1), (np.nan, 1), (np.inf, 1)], ids=str)
def test_the_measure_of_the_machine_ends(compiled, arguments):
    with pytest.raises(ValueError, match=r"seconds|n_threads"):
        by_name(compiled.peak, True, *arguments)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="fork is of POSIX")
@pytest.mark.parametrize("level", COMPILED)
def test_a_fork_after_the_measure_of_the_machine_does_not_hang(level, run_python):
    run_python(
        f"""
import os, signal, numpy as np
from gramfold import _core
kernels = _core.load({level!r})
kernels.peak(is_double=False, seconds=0.001, n_threads=2)
child = os.fork()
if not child:
    signal.alarm(20)
    kernels.gram(f=np.ones((200_000, 16)), n_threads=2)
    kernels.peak(is_double=False, seconds=0.001, n_threads=2)
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
"""
    )
