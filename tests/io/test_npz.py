"""Matrices in .npz files, wherever their numbers begin."""

import pickle

import numpy as np
import pytest
import scipy.sparse as sp
from entries import counts

import gramfold as gf


@pytest.mark.parametrize("kind", [sp.csr_matrix, sp.csr_array])
def test_csr_as_scipy_saves_it_gives_the_bits_of_memory(tmp_path, kind):
    X = kind(counts(100, 9))
    sp.save_npz(tmp_path / "x.npz", X, compressed=False)
    expected, found = (
        gf.NMF(3, max_iter=5, tol=0, random_state=0).fit(x).components_ for x in (X, tmp_path / "x.npz")
    )
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("before", range(8))
def test_numbers_may_begin_at_any_byte(tmp_path, dtype, before):
    X = sp.csr_array(counts(40, 9).astype(dtype))
    parts = {"data": X.data, "indices": X.indices, "indptr": X.indptr, "shape": X.shape}
    np.savez(tmp_path / "csr.npz", **{"x" * (1 + before): np.zeros(1, np.uint8)}, **parts)
    np.savez(tmp_path / "dense.npz", **{"x" * (1 + before): X.toarray()})
    expected = gf.TruncatedSVD(2, random_state=0).fit(X).singular_values_
    for name in ("csr", "dense"):
        found = gf.TruncatedSVD(2, random_state=0).fit(tmp_path / f"{name}.npz").singular_values_
        np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize("before", range(8))
def test_arrays_in_files_are_what_they_are_for_numpy_too(tmp_path, before):
    X = counts(40, 9)
    np.savez(tmp_path / "x.npz", **{"x" * (1 + before): np.zeros(1, np.uint8), "y": X})
    found = gf.blocks(f"{tmp_path}/x.npz::y").parts[0]
    for seen in (
        np.asarray(found),
        np.array(found),
        np.frombuffer(found).reshape(40, 9),
        found + 0,
        found[3:],
    ):
        np.testing.assert_array_equal(seen, X[len(X) - len(seen) :])
    assert found.tolist() == X.tolist()


def test_csr_that_begins_at_an_odd_byte_is_read_a_segment_at_a_time(tmp_path):
    X = sp.csr_array(counts(400, 9))
    sp.save_npz(tmp_path / "x.npz", X, compressed=False)
    blocks = pickle.loads(pickle.dumps(gf.blocks(tmp_path / "x.npz", memory="8K")))
    assert len(blocks.parts) > 2
    np.testing.assert_array_equal(np.concatenate([part.toarray() for part in blocks.parts]), X.toarray())
