"""Every public entry gives for rows in blocks what it gives for the whole; bad blocks are refused by name."""

import re

import numpy as np
import pytest
import scipy.sparse as sp
from entries import ENTRIES, counts, state
from numpy.testing import assert_allclose
from segment_cases import cut, read

import gramfold as gf


@pytest.mark.parametrize("form", ["dense", "CSR"])
@pytest.mark.parametrize("name", ENTRIES)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_every_entry_takes_blocks(name, form):
    entry = ENTRIES[name]
    if form == "CSR" and not entry.sparse:
        with pytest.raises((TypeError, ValueError), match=r"[Ss]parse"):
            entry.run(cut(sp.csr_array(counts()), 7))
        return
    X = counts(empty_row=entry.empty_row)
    X = sp.csr_array(X) if form == "CSR" else X
    before = state(X)
    try:
        expected = entry.run(X)
    except ValueError as refused:
        with pytest.raises(ValueError, match=re.escape(str(refused))):
            entry.run(cut(X, 7))
        return
    for size in (1, "unequal"):
        check_near(entry.run(cut(X, size)), expected, f"blocks of {size}")
        assert state(X) == before


def check_near(found, expected, message):
    assert expected.keys() == found.keys()
    for key, value in expected.items():
        # These are told relative to the objective: those of an exact solution are rounding.
        relative = key in ("duality_gap_", "dual_gap_", "kkt_residual_")
        scale = 1.0 if relative else np.abs(value).max(initial=1e-300, where=np.isfinite(value))
        assert_allclose(found[key], value, rtol=1e-9, atol=1e-10 * scale, err_msg=f"{key}, {message}")


@pytest.mark.parametrize("form", ["dense", "CSR", "wide"])
@pytest.mark.parametrize("name", ENTRIES)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_every_entry_gives_the_same_bits_for_segments_that_are_read_as_for_those_in_memory(name, form):
    entry = ENTRIES[name]
    if form == "CSR" and not entry.sparse:
        with pytest.raises((TypeError, ValueError), match=r"[Ss]parse"):
            entry.run(read(sp.csr_array(counts()), 16))
        return
    X = counts(*((24, 90) if form == "wide" else ()), empty_row=entry.empty_row)
    X = sp.csr_array(X) if form == "CSR" else X
    try:
        whole = entry.run(X)
    except ValueError as refused:
        with pytest.raises(ValueError, match=re.escape(str(refused))):
            entry.run(read(X, 10))
        return
    held, found = entry.run(cut(X, 10)), entry.run(read(X, 10))
    assert held.keys() == found.keys()
    for key, value in held.items():
        assert np.array_equal(value, found[key], equal_nan=True), key
    check_near(found, whole, "segments of 10")


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ([], "at least one block"),
        ([np.ones(3)], "block 0 must have two dimensions, got 1"),
        ([np.ones((3, 2)), np.ones((3, 4))], "block 1 has 4 columns, but block 0 has 2"),
        ([np.ones((3, 2)), sp.csr_array(np.ones((3, 2)))], "all dense or all sparse"),
        ([np.ones((3, 2)), np.ones((3, 2), np.float32)], "block 1 is float32, block 0 float64"),
    ],
)
def test_blocks_that_do_not_fit_together_are_refused(parts, message):
    with pytest.raises(ValueError, match=message):
        gf.blocks(parts)


def test_what_is_wrong_with_a_block_is_said_with_its_number():
    X = np.random.default_rng(0).random((60, 4))
    bad = X.copy()
    bad[50, 1] = np.nan
    with pytest.raises(ValueError, match=r"block 1 of X.*NaN"):
        gf.KMeans(2).fit(gf.blocks([X[:30], bad[30:]]))
    with pytest.raises(ValueError, match="3 features, but PCA is expecting 4"):
        gf.PCA(2).fit(X).transform(gf.blocks([X[:, :3]]))
    with pytest.raises(ValueError, match="0 sample"):
        gf.PCA(2).fit(gf.blocks([X[:0]]))
