"""Fits in several Python threads have the bits of one alone; many in a row leave nothing behind."""

import os
import threading

import pytest
import scipy.sparse as sp
from entries import ENTRIES, counts
from saved import assert_same

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore:.*no observed entry.*:UserWarning"),
]


def given(entry):
    x = counts(empty_row=entry.empty_row)
    return sp.csr_array(x) if entry.observed else x


@pytest.mark.parametrize("name", ENTRIES)
def test_eight_at_once_are_as_one_alone(name):
    entry = ENTRIES[name]
    x, found = given(entry), [None] * 8
    expected, begin = entry.run(x), threading.Barrier(8)

    def work(i):
        begin.wait()
        found[i] = entry.run(x)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for one in found:
        assert_same(one, expected)


IN_A_ROW = """
import gc, os, tracemalloc, warnings
from pathlib import Path
import scipy.sparse as sp
from entries import ENTRIES, counts
warnings.simplefilter("ignore")
PAGE = os.sysconf("SC_PAGESIZE")

def left():
    gc.collect()
    resident = int(Path("/proc/self/statm").read_text().split()[1]) * PAGE
    traced = tracemalloc.get_traced_memory()[0] if tracemalloc.is_tracing() else 0
    return resident, traced, len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task"))

for name, entry in list(ENTRIES.items())[PART::PARTS]:
    x = counts(empty_row=entry.empty_row)
    x = sp.csr_array(x) if entry.observed else x
    for _ in range(FITS // 4):
        entry.run(x)
    tracemalloc.start()
    entry.run(x)
    before = left()
    for _ in range(FITS):
        entry.run(x)
    after = left()
    tracemalloc.stop()
    grown = [new - old for old, new in zip(before, after)]
    print(name, grown, flush=True)
    assert grown[0] < 4 << 20, name
    assert grown[1] < 400 * FITS, name  # what one fit left would be more
    assert grown[2:] == [0, 0], name
print("flat")
"""


@pytest.mark.slow
@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="needs /proc")
@pytest.mark.parametrize("part", range(8))
def test_two_hundred_in_a_row_leave_nothing(run_python, part):
    out = run_python(f"FITS, PART, PARTS = 200, {part}, 8\n{IN_A_ROW}", 3600)
    assert out.endswith("flat\n")
