"""Every public entry that takes a sparse X gives, for every form of it, what it gives for the plain matrix.

None of them changes a byte of it.
"""

import numpy as np
import pytest
import scipy.sparse as sp
from entries import ENTRIES, counts, state
from numpy.testing import assert_allclose


def rebuilt(x, values, rows, cols, index=np.int32):
    """CSR with the entries of a row in the order given; flags as SciPy would set them by looking."""
    order = np.argsort(rows, kind="stable")
    pointers = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=x.shape[0]))])
    return sp.csr_array((values[order], cols[order].astype(index), pointers.astype(index)), shape=x.shape)


def entries_of(x):
    rows, cols = np.nonzero(x)
    return x[rows, cols], rows, cols


def unsorted(x, index=np.int32):
    values, rows, cols = entries_of(x)
    mixed = np.random.default_rng(0).permutation(len(values))
    return rebuilt(x, values[mixed], rows[mixed], cols[mixed], index)


def duplicated(x):
    values, rows, cols = entries_of(x)
    mixed = np.random.default_rng(0).permutation(2 * len(values))
    twice = (np.concatenate([0.25 * values, 0.75 * values]), np.tile(rows, 2), np.tile(cols, 2))
    return rebuilt(x, *(part[mixed] for part in twice))


def with_zeros(x):
    values, rows, cols = entries_of(x + 0.5)
    kept = (x[rows, cols] != 0) | (np.arange(len(values)) % 3 == 0)
    return rebuilt(x, values[kept] - 0.5, rows[kept], cols[kept])


def permuted_columns(x):
    order = np.random.default_rng(1).permutation(x.shape[1])
    return sp.csr_matrix(x[:, order])[:, np.argsort(order)]


def slice_of_larger(x):
    wide = sp.csr_array(np.pad(x, ((5, 3), (4, 2)), constant_values=7.0))
    return wide[5:-3, 4:-2]


def stale(x):
    s = unsorted(x)
    s.has_sorted_indices = s.has_canonical_format = True
    return s


FORMS = {
    "csr_array": sp.csr_array,
    "csr_matrix": sp.csr_matrix,
    "unsorted": unsorted,
    "unsorted under a stale flag": stale,
    "duplicates": duplicated,
    "explicit zeros": with_zeros,
    "64-bit indices, unsorted": lambda x: unsorted(x, np.int64),
    "columns permuted": permuted_columns,
    "product with a permutation": lambda x: (
        sp.csr_array(x[:, ::-1]) @ sp.csr_array(np.eye(x.shape[1], dtype=x.dtype)[::-1])
    ),
    "a slice of a larger matrix": slice_of_larger,
    "csc": sp.csc_array,
    "csc, unsorted": lambda x: unsorted(x.T).T,
    "csc, duplicates": lambda x: duplicated(x.T).T,
    "coo, duplicates": lambda x: duplicated(x).tocoo(),
    "bsr": lambda x: sp.bsr_array(x, blocksize=(3, 3)),
    "lil": sp.lil_array,
    "dok": sp.dok_array,
    "dia": sp.dia_array,
}
ZEROS = ("explicit zeros", "bsr", "dia")  # store zeros, which to a model of observed entries are entries
TAKING = [name for name, entry in ENTRIES.items() if entry.sparse]
PLAIN: dict = {}


def matrix(name, dtype):
    return counts(empty_row=ENTRIES[name].empty_row).astype(dtype)


def plain(name, dtype):
    """What the entry gives for X without any peculiarity."""
    if (name, dtype) not in PLAIN:
        x = matrix(name, dtype)
        PLAIN[name, dtype] = ENTRIES[name].run(sp.csr_array(x) if ENTRIES[name].observed else x)
    return PLAIN[name, dtype]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore:.*no observed entry.*:UserWarning")
@pytest.mark.parametrize("name", TAKING)
def test_every_form_of_the_same_matrix_gives_the_same_answer(name, dtype):
    entry, expected = ENTRIES[name], plain(name, dtype)
    # Every other form in one type, the others in the other one, and turned round for the next entry.
    turn = (TAKING.index(name) + (dtype == np.float32)) % 2
    for form, make in [*FORMS.items()][turn::2]:
        if entry.observed and form in ZEROS:
            continue
        x = make(matrix(name, dtype))
        before = state(x)
        found = entry.run(x)
        assert state(x) == before, f"{form}: X was changed"
        assert found.keys() == expected.keys()
        for part, value in expected.items():
            if "gap" in part or "kkt" in part:  # how near the end is: rounding alone at the end
                continue
            size = np.abs(value).max(initial=0, where=np.isfinite(value))
            assert_allclose(
                found[part], value, rtol=0, atol=5e4 * np.finfo(dtype).eps * size, err_msg=f"{form}: {part}"
            )
