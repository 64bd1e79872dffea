"""A sparse matrix whose parts do not fit together is refused by every public entry, and never followed.

They run in a process of their own: a kernel or a method of SciPy that follows such indices may end it.
"""

import itertools

import numpy as np
import pytest
import scipy.sparse as sp
from entries import ENTRIES, counts

TAKING = {name: entry for name, entry in ENTRIES.items() if entry.sparse}


def csr(form="csr", index=np.int32):
    s = sp.csr_array(counts() + 0.5).asformat(form)
    s.indices, s.indptr = s.indices.astype(index), s.indptr.astype(index)
    s.has_sorted_indices = s.has_canonical_format = True
    return s


def set_index(value):
    def change(s):
        s.indices[3] = value if value != "one too high" else s.shape[s.format == "csr"]

    return change


def set_pointer(at, value):
    def change(s):
        s.indptr[at] = value

    return change


FAULTS = {
    "index one too high": set_index("one too high"),
    "index far too high": set_index(10**7),
    "largest index": set_index(2**31 - 1),
    "negative index": set_index(-5),
    "pointer falls": set_pointer(4, 3),
    "pointer beyond the entries in the middle": set_pointer(4, 10**6),
    "pointer beyond the entries at the end": set_pointer(-1, 10**6),
    "largest pointer at the end": set_pointer(-1, 2**31 - 1),
    "pointer below zero": set_pointer(1, -4),
    "pointers begin late": set_pointer(0, 2),
    "fewer indices than pointers say": lambda s: setattr(s, "indices", s.indices[:-5]),
    "fewer values than pointers say": lambda s: setattr(s, "data", s.data[:-5]),
    "fewer pointers than rows": lambda s: setattr(s, "indptr", s.indptr[:-1]),
}


FORMS = [("csr", "int32"), ("csr", "int64"), ("csr_matrix", "int32"), ("csc", "int32"), ("bsr", "int32")]


def corrupt(what, form, index):
    s = csr("csr" if form == "csr_matrix" else form, np.dtype(index))
    FAULTS[what](s)
    if form == "csr_matrix":
        plain = sp.csr_matrix(s.shape)
        plain.data, plain.indices, plain.indptr = s.data, s.indices, s.indptr
        return plain
    return s


def fitted(entry):
    """The methods of the estimator after a fit to a good matrix."""
    if entry.estimator is None:
        return []
    good = sp.csr_array(counts()) if entry.observed else counts()
    model = entry.estimator().fit(good, **{name: value(good) for name, value in entry.given.items()})
    return [getattr(model, method) for method in entry.methods if not method.startswith("fit")]


def refuse_all():
    """Call every entry with every fault; what was called last is printed first, should it end the process."""
    for name, entry in TAKING.items():
        for call in [entry.run, *fitted(entry)]:
            for form, what in itertools.product(FORMS, FAULTS):
                print(name, getattr(call, "__name__", ""), *form, what, flush=True)
                with pytest.raises(ValueError, match=r"ind|data"):
                    call(corrupt(what, *form))
    print("all refused")


def test_a_corrupt_sparse_matrix_is_refused_by_every_entry(run_python):
    code = "import warnings; warnings.simplefilter('ignore'); import test_corrupt_sparse as t; t.refuse_all()"
    assert run_python(code, 600).endswith("all refused\n")


@pytest.mark.parametrize(
    "what", ["row out of range", "column out of range", "negative column", "lengths differ"]
)
def test_a_corrupt_coo_matrix_is_refused_by_every_entry(what):
    for entry in TAKING.values():
        s = sp.coo_array(counts() + 0.5)
        rows, cols = (axis.copy() for axis in (s.row, s.col))
        if what == "row out of range":
            rows[3] = s.shape[0]
        elif what == "column out of range":
            cols[3] = 2**31 - 1
        elif what == "negative column":
            cols[3] = -1
        else:
            rows, cols = rows[:-2], cols[:-2]
        s.row, s.col = rows, cols
        with pytest.raises(ValueError, match=r"index|length"):
            entry.run(s)
