"""Allocations fail one after the other in kernels, fits and methods: programs of test_allocations.py.

Of the requests of a call at most so many are tried, drawn from all.
"""

import copy
import gc
import os
import time
import warnings

import failing
import numpy as np
import scipy.sparse as sp
from entries import ENTRIES, counts, state
from kernel_fuzz import STUB, Case
from saved import assert_same

from gramfold import _core

warnings.simplefilter("ignore")
np.seterr(all="ignore")
LARGE = {"n": 3000, "d": 50, "k": 16, "t": 2}  # enough for several threads
LEAKING = ("scipy/linalg", "sklearn/linear_model")
WITHOUT = ("between_blocks", "peak", "compiler", "threading")  # ask for nothing


def tried(requests, most):
    """The numbers of requests that are to fail."""
    if requests <= most:
        return range(requests)
    return np.sort(np.random.default_rng(requests).choice(requests, most, replace=False)).tolist()


def called(call, number, all_after):
    """The folder of the code that a MemoryError ended, or None, and what a call gave if it did not end so.

    Code that lies in no file, as what NumPy 1.25 calls its functions by, is in the folder "".
    """
    with failing.fails(number, all_after=all_after):
        try:
            return None, call()
        except MemoryError as error:
            at = error.__traceback__
            while at.tb_next is not None:
                at = at.tb_next
            return os.path.dirname(at.tb_frame.f_code.co_filename), None


def assert_nothing_kept(before):
    """No more is in use than before; a thread may still be on its way back."""
    for _ in range(100):
        if failing.LIB.in_use() == before:
            return
        gc.collect()
        time.sleep(0.01)
    raise AssertionError(f"{failing.LIB.in_use() - before} allocations were not given back")


def bits(value):
    """What two results have in common if they are the same; of two NaN a sum may keep either one."""
    if isinstance(value, np.ndarray):
        if value.dtype.kind == "f":
            value = np.where(np.isnan(value), value.dtype.type(np.nan), value)
        return value.dtype.str, value.shape, value.tobytes()
    return [bits(one) for one in value] if isinstance(value, tuple) else repr(value)


def cases(kernel, sides, n_threads):
    """The arguments of calls of a kernel that give something."""
    for number in range([*STUB].index(kernel.__name__), 100 * len(STUB), len(STUB)):
        case = Case(number, sound=True, sides=sides)
        if "n_threads" in case.arguments:
            case.arguments["n_threads"] = n_threads
        try:
            kernel(**copy.deepcopy(case.arguments))
        except (ValueError, TypeError):
            continue
        yield case.arguments


def sweep_kernel(kernel, given, most):
    """Every allocation fails: what is written is what the call writes, and the next one is right."""

    def call():
        arguments = copy.deepcopy(given)
        return bits(kernel(**arguments)), bits(tuple(arguments.values()))

    expected = call()
    written = copy.deepcopy(given)
    kernel(**written)
    inputs = [name for name, value in given.items() if bits(written[name]) == bits(value)]
    with failing.counted() as of:
        call()
    in_use, refused = failing.LIB.in_use(), 0
    for all_after in (False, True):
        for number in tried(of.requests, most):
            arguments = copy.deepcopy(given)
            failed, found = called(lambda a=arguments: bits(kernel(**a)), number, all_after)
            refused += failed is not None
            assert failed is not None or found == expected[0], number
            assert all(bits(arguments[name]) == bits(given[name]) for name in inputs), number
            assert_nothing_kept(in_use)
            assert call() == expected, number
    return refused


def kernels(level, most, sides=(), n_threads=1, each=1):
    """Sweep through all kernels of a level."""
    found = failing.watch_kernels(level)
    for name in STUB:
        if name in WITHOUT:
            continue
        kernel = getattr(found, name)
        made = cases(kernel, sides, n_threads)
        refused = sum(sweep_kernel(kernel, next(made), most) for _ in range(each))
        assert refused, name
        print(name, refused, flush=True)
    print("all kernels")


def without(found):
    """What is learned but for times."""
    return (
        {name: value for name, value in found.items() if name != "history_"}
        if isinstance(found, dict)
        else found
    )


def sweep_call(call, model, most):
    """Every allocation of a call of an estimator fails: it is as it was, and the next call is right."""

    def fresh():
        return copy.deepcopy(model)

    expected = without(copy.deepcopy(call(fresh())))
    with failing.counted() as of:
        call(fresh())
    gc.collect()
    in_use = failing.LIB.in_use()
    for number in tried(of.requests, most):
        own = fresh()
        failed, found = called(lambda m=own: call(m), number, bool(number % 2))
        if failed is None:  # who asked had another way
            assert_same(without(found), expected)
            found, own = None, fresh()
        elif model is not None:
            assert_same(vars(own), vars(model))
        assert_same(without(call(own)), expected)
        del own
        if failed is not None and failed.endswith(LEAKING):  # calls of LAPACK keep what they had until then
            gc.collect()
            in_use = failing.LIB.in_use()
        assert_nothing_kept(in_use)
    return of.requests


def calls_of(entry, x):
    """The calls of an estimator that is fitted, each with what it is called on."""
    if entry.estimator is None:
        return {"": (None, lambda _: entry.run(x))}
    given = {name: value(x) for name, value in entry.given.items()}

    def learn(model):
        getattr(model, entry.learn)(x, **given)
        return dict(vars(model))

    model = entry.estimator()
    learn(model)
    methods = [name for name in entry.methods if not name.startswith("fit")]
    return {
        entry.learn: (model, learn),
        **{name: (model, lambda model, name=name: getattr(model, name)(x)) for name in methods},
    }


def sweep_entry(name, entry, x, most):
    """Sweep through all calls of an entry."""
    before = state(x)
    for method, (model, call) in calls_of(entry, x).items():
        print(name, type(x).__name__, method, end=" ", flush=True)
        print(sweep_call(call, model, most), flush=True)
    assert state(x) == before


def fits(most, part=0, parts=1, *, both=False):
    """Sweep through what the entries of a part do with X: dense and sparse in turn, or both."""
    for entry in ENTRIES.values():  # what is loaded or made at the first call
        if not entry.observed:
            entry.run(counts(empty_row=entry.empty_row))
    if _core.level != "numpy":
        failing.watch_kernels(_core.level)
    failing.watch_arrays()
    failing.spare_scipy()
    for i, (name, entry) in enumerate(ENTRIES.items()):
        if i % parts == part:
            dense = counts(empty_row=entry.empty_row)
            forms = [dense] * (not entry.observed) + [sp.csr_array(dense)] * entry.sparse
            for x in forms if both else forms[i % len(forms) :][:1]:
                sweep_entry(name, entry, x, most)
    print("all fits")
