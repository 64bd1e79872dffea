"""A fit of rows in files takes the memory of its segments, whatever X takes."""

import sys

import numpy as np
import pytest

import gramfold as gf

ROWS, COLS, CHUNK = 250_000, 300, 5_000  # 300 MB of float32
ROOM = 150  # MB more than before


def write(path, unit=1.0):
    """One chunk of numbers, stored many times without being compressed anew."""
    import zlib

    import h5py

    X = np.random.default_rng(0).integers(0, 4, (CHUNK, COLS)).astype(np.float32) * np.float32(unit)
    packed = zlib.compress(X.tobytes(), 1)
    with h5py.File(path, "w") as file:
        made = file.create_dataset(
            "X", (ROWS, COLS), np.float32, chunks=(CHUNK, COLS), compression="gzip", compression_opts=1
        )
        for row in range(0, ROWS, CHUNK):
            made.id.write_direct_chunk((row, 0), packed)


def write_tiny(path):
    """Numbers whose squares are below the range of float32, but for the last rows."""
    import h5py

    write(path, 1e-30)
    with h5py.File(path, "r+") as file:
        file["X"][-5:] = 1


def write_zeros(path):
    """One chunk of counts at the end, and rows of zeros, which take no place on the disk."""
    X = np.lib.format.open_memmap(path, "w+", np.float32, (ROWS, COLS))
    X[-CHUNK:] = np.random.default_rng(0).integers(0, 4, (CHUNK, COLS))
    X.flush()


def write_sparse(path):
    """CSR in a folder: zeros but for the last rows, which take place, as all columns do."""
    rows, each = 600_000, 50
    entries = rows * each
    path.mkdir()
    made = {name: np.lib.format.open_memmap(path / f"{name}.npy", "w+", dtype, (entries,))
            for name, dtype in (("data", np.float32), ("indices", np.int32))}  # fmt: skip
    made["indices"][:] = np.tile(np.arange(0, COLS, COLS // each, dtype=np.int32)[:each], rows)
    made["data"][-CHUNK * each :] = np.random.default_rng(0).random(CHUNK * each)
    for array in made.values():
        array.flush()
    np.save(path / "indptr.npy", np.arange(0, entries + 1, each))
    np.save(path / "shape.npy", (rows, COLS))


def models(path):
    if path.endswith("tiny.h5"):
        return [gf.NMF(5, init="random", max_iter=2, tol=0)]
    some = [
        gf.PCA(5),
        gf.Ridge(),
        gf.NMF(5, init="random", max_iter=2, tol=0),
        gf.KMeans(8, init="random", n_init=1, max_iter=2, random_state=0),
        gf.GaussianMixture(3, covariance_type="diag", init_params="random_from_data", max_iter=2),
    ]
    if path.endswith("sparse"):
        return [*some[:-1], gf.PCA(3, svd_solver="randomized"), gf.KMeans(3, metric="cosine", max_iter=1)]
    if not path.endswith(".npy"):  # their many passes decompress it, again and again
        return some
    counts = gf.NMF(5, init="random", beta_loss="kullback-leibler", max_iter=2, tol=0)
    return [*some, gf.PoissonMixture(2, max_iter=2, random_state=0), counts]


def peak():
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def fit_all(path):
    for model in models(""):  # what is loaded when it is first needed
        few = gf.blocks(lambda: iter([np.ones((50, 8)), 2 * np.eye(8)]), memory=4096)
        model.fit(few, np.arange(58.0))
    gf.blocks(path)
    before = peak()
    for model in models(path):
        model.fit(path, np.arange(gf.blocks(path).shape[0], dtype=np.float32))
        print(type(model).__name__, round(peak() - before), flush=True)


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in other units elsewhere")
@pytest.mark.parametrize(
    ("name", "make"),
    [("rows.h5", write), ("zeros.npy", write_zeros), ("tiny.h5", write_tiny), ("sparse", write_sparse)],
)
def test_fits_of_a_file_take_the_memory_of_its_segments(name, make, run_python, tmp_path):
    path = tmp_path / name
    make(path)
    code = "import warnings, sys; warnings.simplefilter('ignore'); sys.path.insert(0, 'io'); "
    code += f"import test_memory as t; t.fit_all({str(path)!r})"
    took = [line.split() for line in run_python(code, 300).splitlines()]
    assert took
    assert all(int(more) < ROOM for _, more in took), took
