"""Structure of sparse X: what is read as what it means; what is refused is in test_corrupt_sparse.py."""

import numpy as np
import pytest
import scipy.sparse as sp
from input_cases import ENTRIES, matrix, nmf
from numpy.testing import assert_allclose


@pytest.fixture
def X():
    return matrix()


def csr(X, index=np.int32, form="csr"):
    s = sp.csr_array(X).asformat(form)
    s.indices, s.indptr = s.indices.astype(index), s.indptr.astype(index)
    s.has_sorted_indices = s.has_canonical_format = True
    return s


@pytest.mark.parametrize("index", [np.int32, np.int64])
@ENTRIES
def test_both_widths_of_indices_are_read(X, entry, index):
    assert_allclose(entry(csr(X, index)), entry(X), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("form", ["csr", "csc"])
@ENTRIES
def test_parts_of_unlike_widths_or_with_gaps_are_read(X, entry, form):
    expected = entry(X)
    for part, change in (
        ("indices", lambda a: a.astype(np.int64)),
        ("indptr", lambda a: a.astype(np.int64)),
        ("indices", lambda a: a.astype(np.int16)),
        ("indices", lambda a: np.repeat(a, 2)[::2]),
        ("data", lambda a: np.repeat(a, 2)[::2]),
    ):
        s = csr(X, form=form)
        setattr(s, part, change(getattr(s, part)))
        assert_allclose(entry(s), expected, rtol=1e-9, atol=1e-12)


@ENTRIES
def test_duplicates_under_a_stale_flag_are_what_they_sum_to(X, entry):
    s = csr(X)
    halves = sp.csr_array((np.repeat(s.data / 2, 2), np.repeat(s.indices, 2), 2 * s.indptr), shape=s.shape)
    halves.has_sorted_indices = halves.has_canonical_format = True
    assert_allclose(entry(halves), entry(X), rtol=1e-9, atol=1e-12)


@ENTRIES
def test_unsorted_duplicate_and_zero_entries_are_what_they_sum_to(X, entry):
    s = sp.csr_array(X)
    order = np.concatenate([np.arange(a, b)[::-1] for a, b in zip(s.indptr, s.indptr[1:], strict=False)])
    unsorted = sp.csr_array((s.data[order], s.indices[order], s.indptr), shape=s.shape)
    halves = sp.csr_array((np.repeat(s.data / 2, 2), np.repeat(s.indices, 2), 2 * s.indptr), shape=s.shape)
    coo = sp.coo_array(s)
    zeros = sp.csr_array(
        (
            np.append(coo.data, [0, 0]),
            (np.append(coo.row, [0, 5]), np.append(coo.col, [2, 5])),
        ),
        shape=s.shape,
    )
    expected = entry(X)
    for given in (unsorted, halves, zeros):
        assert_allclose(entry(given), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("index", [np.int32, np.int64])
def test_duplicates_count_in_the_reported_error(X, index):
    s = csr(X, index)
    halves = sp.csr_array((np.repeat(s.data / 2, 2), np.repeat(s.indices, 2), 2 * s.indptr), shape=s.shape)
    plain, doubled = nmf().fit(s), nmf().fit(halves)
    assert_allclose(doubled.reconstruction_err_, plain.reconstruction_err_, rtol=1e-9)
    assert_allclose(doubled.history_["objective"], plain.history_["objective"], rtol=1e-9)


@ENTRIES
def test_spare_room_behind_the_last_entry_is_not_read(X, entry):
    s = sp.csr_array(X)
    roomy = sp.csr_array(X)
    roomy.data = np.append(s.data, [1e6, 1e6])
    roomy.indices = np.append(s.indices, np.array([7, 7], s.indices.dtype))
    assert_allclose(entry(roomy), entry(s), rtol=1e-9, atol=1e-12)
