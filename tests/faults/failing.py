"""Allocations that fail, in a process into which `failing.cpp` was preloaded."""

import ctypes
import importlib
import sys
from contextlib import contextmanager
from functools import partial

try:
    from numpy._core import _multiarray_umath
except ImportError:  # of NumPy 1
    from numpy.core import _multiarray_umath

from gramfold import _core

LIB = ctypes.CDLL(None)
LIB.watch.argtypes = [ctypes.c_size_t, ctypes.c_size_t]
LIB.fail.argtypes, LIB.fail.restype = [ctypes.c_long, ctypes.c_bool], ctypes.c_long
LIB.spare.argtypes = [ctypes.c_bool]
LIB.leave_threads.argtypes = [ctypes.c_long]
LIB.in_use.restype = ctypes.c_long
NEVER = 1 << 40


def watch(*names):
    """Let the requests of modules count, which are told by a part of their files' names."""
    with open("/proc/self/maps") as maps:
        lines = [line.split() for line in maps]
    for name in names:
        spans = [line[0].split("-") for line in lines if len(line) > 5 and name in line[5].rpartition("/")[2]]
        assert spans, f"{name} is not loaded"
        LIB.watch(min(int(begin, 16) for begin, _ in spans), max(int(end, 16) for _, end in spans))


def watch_kernels(level):
    """Let all requests of the compiled kernels count."""
    kernels = _core.load(level)
    watch(importlib.import_module(kernels.__name__).__file__.rpartition("/")[2], "libstdc++")
    return kernels


def watch_arrays():
    """Let the data of the NumPy arrays of this thread count from now on."""
    api = ctypes.pythonapi
    api.PyCapsule_GetPointer.restype = ctypes.c_void_p
    api.PyCapsule_GetPointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
    api.PyCapsule_New.restype = ctypes.py_object
    api.PyCapsule_New.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
    functions = ctypes.cast(
        api.PyCapsule_GetPointer(_multiarray_umath._ARRAY_API, None), ctypes.POINTER(ctypes.c_void_p)
    )
    set_handler = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.py_object)(
        functions[304]
    )  # PyDataMem_SetHandler
    set_handler(
        api.PyCapsule_New(ctypes.addressof(ctypes.c_char.in_dll(LIB, "arrays")), b"mem_handler", None)
    )


def spare_scipy():
    """Let nothing fail in SciPy's compiled functions of sparse matrices, which end the process then."""
    from scipy.sparse import _sparsetools

    compiled = {id(value): value for value in vars(_sparsetools).values() if callable(value)}
    for module in [module for name, module in sys.modules.items() if name.startswith("scipy.sparse.")]:
        for name, value in list(vars(module).items()):
            if id(value) in compiled and module is not _sparsetools:
                setattr(module, name, partial(_spared, value))


def _spared(function, *arguments):
    LIB.spare(True)
    try:
        return function(*arguments)
    finally:
        LIB.spare(False)


class Counted:
    """What a block asked for."""

    requests = 0


@contextmanager
def fails(number, *, all_after=False):
    """In this block the request of a number fails, from 0 on; or all from then on."""
    found = Counted()
    LIB.fail(number, all_after)
    try:
        yield found
    finally:
        found.requests = LIB.fail(-1, False)


@contextmanager
def counted():
    """Count what this block asks for."""
    with fails(NEVER) as found:
        yield found
