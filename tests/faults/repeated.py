"""Arrays of more bytes than memory: one pattern that is mapped many times, one after the other."""

import ctypes
import mmap
import os
import weakref

import numpy as np

LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.mmap.restype = ctypes.c_void_p
LIBC.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
LIBC.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
READ, FIXED = mmap.PROT_READ, 0x10
NOWHERE = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x4000  # MAP_NORESERVE


def repeated(pattern, times):
    """So many times the rows of an array, in the memory of one; its bytes are a multiple of a page."""
    size = pattern.nbytes
    assert size % mmap.PAGESIZE == 0
    file = os.memfd_create("pattern")
    os.truncate(file, size)
    with mmap.mmap(file, size) as written:
        written[:] = pattern.tobytes()
    begin = _mapped(None, size * times, NOWHERE, -1)
    for i in range(times):
        _mapped(begin + i * size, size, mmap.MAP_SHARED | FIXED, file)
    os.close(file)
    lying = (ctypes.c_char * (size * times)).from_address(begin)
    weakref.finalize(lying, LIBC.munmap, begin, size * times)
    found = np.frombuffer(lying, pattern.dtype).reshape(len(pattern) * times, *pattern.shape[1:])
    found.flags.writeable = False
    return found


def _mapped(address, size, flags, file):
    found = LIBC.mmap(address, size, READ, flags, file, 0)
    if found in (None, ctypes.c_void_p(-1).value):
        raise OSError(ctypes.get_errno(), "mmap")
    return found
