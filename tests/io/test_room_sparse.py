"""Sparse X in segments, wide and larger than `memory=`: what a fit takes, or that it says so before."""

import sys

import numpy as np
import pytest
import scipy.sparse as sp

import gramfold as gf

pytest.importorskip("gramfold._core._room", reason="compiled")
h5py = pytest.importorskip("h5py", reason="reads HDF5")

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

ROWS, COLS, STORED, MEMORY = 12_000, 60_000, 2000, 192  # of each row, and MB; X has 192 MB

MODELS = {
    "NMF": lambda: gf.NMF(8, init="random", max_iter=2, tol=0, random_state=0),
    "NMF, nndsvd": lambda: gf.NMF(4, max_iter=1, tol=0, random_state=0),
    "PCA": lambda: gf.PCA(2, random_state=0),
    "TruncatedSVD": lambda: gf.TruncatedSVD(2, random_state=0),
    "KMeans": lambda: gf.KMeans(8, init="random", n_init=1, max_iter=2, tol=0, random_state=0),
}


def parts(rows=ROWS, cols=COLS, stored=STORED, together=600):
    """CSR matrices below each other, of columns that more and fewer entries are in."""
    rng = np.random.default_rng(0)
    for _ in range(0, rows, together):
        columns = np.sort((cols * rng.random((together, stored)) ** 2).astype(np.int32), axis=1)
        x = sp.csr_array(
            (
                rng.random(columns.size, np.float32) + 1,
                columns.ravel(),
                np.arange(0, columns.size + 1, stored),
            ),
            (together, cols),
        )
        x.sum_duplicates()
        yield sp.csr_array((x.data, x.indices.astype(np.int32), x.indptr.astype(np.int32)), x.shape)


def in_hdf5(path, blocks):
    """Write CSR blocks as one matrix in AnnData's layout, in compressed chunks."""
    ends = [0]
    with h5py.File(path, "w") as file:
        group = file.create_group("X")
        group.attrs["encoding-type"] = "csr_matrix"
        for name, dtype in (("data", "f4"), ("indices", "i4")):
            group.create_dataset(name, (0,), dtype, maxshape=(None,), chunks=(100_000,), compression="lzf")
        for x in blocks:
            for name, values in (("data", x.data), ("indices", x.indices)):
                group[name].resize((ends[-1] + x.nnz,))
                group[name][ends[-1] :] = values
            ends.extend((ends[-1] + x.indptr[1:].astype(np.int64)).tolist())
        group.create_dataset("indptr", data=np.array(ends))
        group.attrs["shape"] = np.array([len(ends) - 1, x.shape[1]])
    return f"{path}::X"


def fit_one(source, name):
    """Print by how many MB the peak rises."""
    from test_room import high

    few = list(parts(400, 1500, 60, together=100))  # what is loaded when it is needed
    MODELS[name]().fit(gf.blocks(few))
    with open("/proc/self/clear_refs", "w") as clear:
        clear.write("5")  # forget the peak so far
    before = high()
    MODELS[name]().fit(gf.blocks(parts if source == "a callable" else source, memory=f"{MEMORY}M"))
    print(round(high() - before))


@pytest.fixture(scope="module")
def there(tmp_path_factory):
    """X in an HDF5 file."""
    return in_hdf5(tmp_path_factory.mktemp("wide") / "x.h5", parts())


@pytest.mark.skipif(sys.platform != "linux", reason="Linux says how much memory there was")
@pytest.mark.parametrize(
    ("name", "form"), [*((name, "hdf5") for name in MODELS), ("TruncatedSVD", "a callable")]
)
def test_memory_bounds_what_a_fit_of_wide_sparse_segments_takes(name, form, there, run_python):
    source = there if form == "hdf5" else form
    code = "import warnings, sys; warnings.simplefilter('ignore'); sys.path.insert(0, 'io'); "
    code += f"import test_room_sparse as t; t.fit_one({source!r}, {name!r})"
    assert int(run_python(code, 600)) < MEMORY


@pytest.mark.parametrize("form", ["hdf5", "a callable", "unknown"])
def test_robust_pca_of_more_sparse_entries_than_it_may_keep_is_told_before_the_fit(
    form, tmp_path, monkeypatch
):
    few = list(parts(400, 1500, 60, together=100))
    entries = sum(x.nnz for x in few)
    given = in_hdf5(tmp_path / "x.h5", few) if form == "hdf5" else lambda: iter(few)
    rows = gf.blocks(given, memory="1M")
    if form == "unknown":  # until they are read
        monkeypatch.setattr(rows.parts.pieces[0].reader, "entries", None)
    else:
        monkeypatch.setattr("gramfold.rpca.sparse.SparseState", lambda *given: pytest.fail("it began"))
    count = r"[\d,]+" if form == "unknown" else f"{entries:,}"
    with pytest.raises(OSError, match=rf"RobustPCA keeps about [\d,]+ bytes of the {count} stored entries"):
        gf.RobustPCA().fit(rows)
