"""Arrays in files, in the forms that people have them."""

import re
from pathlib import Path

import numpy as np
import scipy.sparse as sp

from gramfold.fit.floats import csr_on_disk
from gramfold.fit.on_disk import on_disk


def in_file(x, folder, form="C"):
    """The same numbers in a file: in C or F order, in records, of wider rows, or reversed."""
    path = Path(folder) / f"{form}{len(list(Path(folder).iterdir()))}"
    if sp.issparse(x):
        parts = (in_file(part, folder) for part in (x.data, x.indices))
        found = csr_on_disk(*parts, x.indptr, x.shape)
        found.gramfold_sound = True
        return found
    rows, item = x.shape[0], x.itemsize
    if form == "record":
        record = np.dtype([("before", "u1", (3,)), ("x", x.dtype, x.shape[1:]), ("after", "f4")])
        laid = np.zeros(rows, record)
        laid["x"] = x
        strides, offset = (record.itemsize, item), 3
    elif form == "strided":
        laid = np.zeros((rows, 3 * x.shape[1]), x.dtype)
        laid[:, 1::3] = x
        strides, offset = (laid.strides[0], 3 * item), item
    elif form == "reversed":
        laid = np.ascontiguousarray(x[::-1, ::-1])
        strides, offset = tuple(-step for step in laid.strides), laid.nbytes - item
    else:
        laid = np.asfortranarray(x).T if form == "F" else np.ascontiguousarray(x)
        strides, offset = (laid.strides if form == "C" else laid.T.strides), 0
    path.write_bytes(laid.tobytes())
    return on_disk(path, x.dtype, x.shape, offset, strides)


def mapped(folder):
    """How many KiB of the maps of a folder's files are in memory: what was read through them."""
    total, counts = 0, False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        if re.match("[0-9a-f]+-", line):
            counts = str(folder) in line
        elif counts and line.startswith("Rss:"):
            total += int(line.split()[1])
    return total
