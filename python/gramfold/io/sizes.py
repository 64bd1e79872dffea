"""How much memory segments take."""

import os
from typing import Any

import numpy as np

SEGMENT = 64 << 20  # bytes of a segment: so large that an allocator gives them back to the system
SHARE = 8  # of the memory: two segments lie there, and what is made of one
UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


def memory_bytes(memory: Any) -> float:
    """How many bytes segments may take: a number, or a string such as '1.5G'; None is what is enough."""
    if memory is None:
        return SHARE * SEGMENT
    try:
        text = str(memory).strip().upper().removesuffix("B").removesuffix("I")
        unit = UNITS.get(text[-1:], 1)
        size = float(text[:-1] if unit > 1 else text) * unit
    except ValueError:
        size = 0.0
    if isinstance(memory, bool) or not 0 < size < float("inf"):
        raise ValueError(f"memory must be a number of bytes or a string such as '1.5G', got {memory!r}")
    return size


def index_for(size: int) -> type[np.signedinteger[Any]]:
    """The narrower of int32 and int64 that counts so far."""
    return np.int32 if size <= np.iinfo(np.int32).max else np.int64


def physical_memory() -> float:
    """The bytes of memory that the machine has; without bound where that is not known."""
    try:
        return float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    except (AttributeError, ValueError, OSError):
        return float("inf")
