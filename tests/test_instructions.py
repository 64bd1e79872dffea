"""What `python -m bench.instructions` calls, and what it makes of two counts."""

from kernel_fuzz import STUB

from bench import kernels as bench_kernels
from bench.instructions import compared
from gramfold import _core

NO_ARRAYS = {"peak", "compiler", "threading", "between_blocks"}  # which tell of the machine and of the build


def test_every_kernel_is_called_and_every_call_is_accepted():
    calls = bench_kernels.calls(_core.kernels)
    assert {bench_kernels.kernel_of(label) for label in calls} == set(STUB) - NO_ARRAYS
    for label, arguments in calls.items():
        getattr(_core.kernels, bench_kernels.kernel_of(label))(**arguments)


def test_two_per_cent_more_is_borne_and_beyond_that_a_kernel_is_named():
    kept = {"a": 10_000, "b": 10_000, "c": 10_000}
    table, more, less = compared(kept, {"a": 10_200, "b": 10_201, "c": 9_000})
    assert (more, less) == (["b"], ["c"])
    assert [line.split() for line in table.splitlines()[1:]] == [
        ["a", "10,000", "10,200", "1.020"], ["b", "10,000", "10,201", "1.020", "<"],
        ["c", "10,000", "9,000", "0.900"],
    ]  # fmt: skip


def test_a_kernel_that_is_kept_or_counted_alone_is_named():
    _, more, less = compared({"a": 1000, "gone": 1000}, {"a": 1000, "new": 1000})
    assert (more, less) == (["gone", "new"], [])
