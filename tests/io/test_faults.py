"""What is wrong with a file is said with its name and rows, and nothing is left behind."""

import os
import threading
import time

import format_cases as files
import numpy as np
import pytest
from format_cases import COLS, DENSE, ROWS, small, whole
from segment_cases import Kept, read

import gramfold as gf
from gramfold.fold.engine import run
from gramfold.fold.segments import source_of


@pytest.fixture(autouse=True)
def no_thread_is_left():
    yield
    ended = time.monotonic() + 10
    while reading() and time.monotonic() < ended:
        time.sleep(0.001)
    assert not reading()


def reading():
    return [thread for thread in threading.enumerate() if thread.name == "gramfold-read"]


class Broken(Kept):
    """Rows of which the later half cannot be read."""

    def __init__(self, rows, error):
        super().__init__(rows)
        self.error = error

    def __getitem__(self, at):
        if at.stop > ROWS // 2:
            raise self.error
        return super().__getitem__(at)


def test_an_error_of_a_reader_arrives_with_its_rows_and_leaves_the_model_as_it_was():
    X = files.rows()
    model = gf.KMeans(3, random_state=0).fit(X)
    before = dict(vars(model))
    broken = gf.blocks(Broken(X, RuntimeError("disk on fire")), memory=8 * 50 * COLS * 4)
    with pytest.raises(
        OSError, match=r"rows 100 to 149 of the Broken could not be read: disk on fire"
    ) as caught:
        model.fit(broken)
    assert isinstance(caught.value.__cause__, RuntimeError)
    assert vars(model) == before
    with pytest.raises(OSError, match="rows 200 to 200 of the Broken"):
        source_of(broken, 1).take([3, 200])


def test_reading_ends_at_once_with_a_pass_that_fails():
    def interrupted(segment, shared, state):
        if segment.take([0])[0, 0] == X[100, 0]:
            raise KeyboardInterrupt

    X = files.rows()
    with pytest.raises(KeyboardInterrupt):
        run(interrupted, source_of(read(X, 50), 1))
    assert not reading()


def test_ctrl_c_while_a_segment_is_read_ends_the_fit():
    class Interrupting(Kept):
        def __getitem__(self, at):
            if len(self.reads) == 6:
                os.kill(os.getpid(), 2)
            time.sleep(0.001)
            return super().__getitem__(at)

    rows = Interrupting(files.rows())
    model = gf.NMF(2, init="random")
    with pytest.raises(KeyboardInterrupt):
        model.fit(gf.blocks(rows, memory=8 * 20 * COLS * 4))
    assert not hasattr(model, "components_")
    assert len(rows.reads) < 12


@pytest.mark.parametrize("kind", ["HDF5", "Parquet", "feather", "zarr in a zip", "gzipped TSV"])
def test_a_truncated_file_is_refused_by_name(kind, tmp_path):
    path = DENSE[kind](tmp_path, files.rows(np.float64))
    os.truncate(path, path.stat().st_size * 2 // 3)
    with pytest.raises((OSError, ValueError), match=path.name):
        small(path)


@pytest.mark.parametrize("kind", DENSE)
def test_a_file_that_changes_during_a_fit_is_refused_by_name(kind, tmp_path):
    X = files.rows(np.float64)
    path = DENSE[kind](tmp_path, X)
    blocks = small(path)

    def replace(monitor):
        if path.is_dir():
            inner = next(file for file in path.rglob("*") if file.is_file())
            inner.write_bytes(inner.read_bytes() + b" ")
        else:
            path.with_name("new").write_bytes(path.read_bytes())
            path.with_name("new").replace(path)

    model = gf.NMF(2, init="random", tol=0, max_iter=20, callback=replace)
    with pytest.raises(OSError, match=f"{path.name}.* has changed"):
        model.fit(blocks)
    assert not hasattr(model, "components_")


def test_a_name_that_a_file_lacks_is_refused_with_those_it_has(tmp_path):
    import h5py

    zarr = pytest.importorskip("zarr")
    path = files.hdf5(tmp_path, files.rows(), name="deep/counts")
    with h5py.File(path, "a") as file:
        file["line"] = np.arange(3.0)
        file["other"] = np.ones((3, 2))
        file["words"] = np.array([[b"a", b"b"]])
    for name in ("X", "deep/X"):
        with pytest.raises(ValueError, match=f"rows.h5 holds no '{name}'.* it holds deep/counts, other"):
            gf.blocks(f"{path}::{name}")
    with pytest.raises(ValueError, match=r"which dataset of .*rows.h5 is meant.* it holds deep/counts, ot"):
        gf.blocks(path)
    with pytest.raises(ValueError, match=r"deep is a group, not a matrix; it holds counts"):
        gf.blocks(path, dataset="deep")
    with pytest.raises(ValueError, match=r"line must have two dimensions, got shape \(3,\)"):
        gf.blocks(path, dataset="line")
    with pytest.raises(ValueError, match=r"words must hold numbers .*, got \|S1"):
        gf.blocks(path, dataset="words")
    zarr.create_group(tmp_path / "z.zarr").create_array("a", data=np.ones((3, 2)))
    with pytest.raises(ValueError, match=r"z.zarr holds no 'b'; it holds a"):
        gf.blocks(f"{tmp_path / 'z.zarr'}::b")


def test_paths_that_lead_to_no_rows_are_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    pytest.importorskip("zarr")
    (tmp_path / "empty.zarr").mkdir()
    (tmp_path / "rows.xyz").touch()
    (tmp_path / "rows.h5").write_text("no HDF5")
    (tmp_path / "rows.parquet").write_text("no Parquet")
    for name, error, message in (
        ("none.h5", FileNotFoundError, "there is no .*none.h5"),
        ("none.csv", FileNotFoundError, "there is no .*none.csv"),
        ("empty", ValueError, "empty is a folder that is no zarr, and holds neither"),
        ("empty.zarr", OSError, "empty.zarr cannot be opened as zarr"),
        ("rows.xyz", ValueError, "rows.xyz: gf.blocks tells files by their ending, which must be one of .h5"),
        ("rows.h5", OSError, "rows.h5 cannot be opened as HDF5"),
        ("rows.parquet", OSError, "rows.parquet cannot be opened as Parquet"),
    ):
        with pytest.raises(error, match=message):
            gf.blocks(tmp_path / name)
        with pytest.raises(error, match=message):
            gf.PCA(2).fit(str(tmp_path / name))


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
@pytest.mark.parametrize("kind", ["HDF5", "Parquet", "CSV"])
def test_a_file_that_may_not_be_read_is_refused_by_name(kind, tmp_path):
    path = DENSE[kind](tmp_path, files.rows(np.float64))
    path.chmod(0)
    with pytest.raises(PermissionError, match=path.name):
        gf.blocks(path)


def test_memory_that_two_chunks_do_not_fit_into_is_refused_with_the_numbers(tmp_path):
    import h5py

    path = files.hdf5(tmp_path, files.rows())
    assert len(gf.blocks(path, memory=2400).parts) == 5
    message = r"h5::X is stored in chunks of 50 rows, 1200 bytes, .*memory must be at least 2400, got 2000"
    with pytest.raises(ValueError, match=message):
        gf.blocks(path, memory=2000)
    with h5py.File(path, "w") as file:
        file.create_dataset("X", (2**27, 2), np.float32, chunks=(2**27, 1))  # nothing is in it
    with pytest.raises(ValueError, match="memory must be at least 2147483648, got 536870912"):
        gf.PCA(1).fit(path)


def test_a_link_is_followed(tmp_path):
    X = files.rows()
    link = tmp_path / "link.h5"
    link.symlink_to(files.hdf5(tmp_path, X))
    np.testing.assert_array_equal(whole(small(link)), X)


def test_what_makes_no_matrix_together_is_refused(tmp_path):
    X = files.rows()
    path = files.hdf5(tmp_path, X)
    with pytest.raises(ValueError, match=r"block 1, .*rows.h5::X, has 6 columns, but block 0 has 5"):
        gf.blocks([X[:, :5], path])
    with pytest.raises(ValueError, match=r"block 1, .*rows.h5::X, is float32, block 0 float64"):
        gf.blocks([X.astype(float), path])
    with pytest.raises(ValueError, match=r"dataset='a' goes with a path, not with ndarray"):
        gf.blocks(X, dataset="a")
    with pytest.raises(ValueError, match=r"holds one matrix, so that it has no 'a'"):
        gf.blocks(files.parquet(tmp_path, X), dataset="a")
    for memory in ("much", -1, 0, "nan", True):
        with pytest.raises(ValueError, match=f"memory must be a number of bytes or .*got {memory!r}"):
            gf.blocks(path, memory=memory)


@pytest.mark.parametrize(
    "make", [gf.KMeans, gf.NMF, gf.PCA, gf.GaussianMixture, lambda k: gf.Ridge(), gf.TruncatedSVD]
)
def test_nan_in_the_last_rows_is_refused_with_their_numbers(make):
    X = files.rows(np.float64)
    X[-1, 2] = np.nan
    with pytest.raises(ValueError, match=r"rows 2\d\d to 229 of X.*contains NaN"):
        make(2).fit(read(X, 50), np.ones(ROWS))


def test_files_without_rows_count_for_nothing(tmp_path):
    X = files.rows()
    (tmp_path / "none").mkdir()
    none = files.hdf5(tmp_path / "none", X[:0], chunks=True, maxshape=(None, COLS))
    blocks = small([none, files.hdf5(tmp_path, X), none, X[:0]])
    np.testing.assert_array_equal(whole(blocks), X)
    assert gf.blocks(none).shape == (0, COLS)
    with pytest.raises(ValueError, match="0 sample"):
        gf.PCA(2).fit(none)


@pytest.mark.parametrize("given", [None, 5, {"a": 1}, b"x.h5"])
def test_what_cannot_be_read_is_refused_with_what_can(given):
    with pytest.raises(TypeError, match=r"blocks takes arrays, sparse matrices, .* lists of these, got"):
        gf.blocks(given)


def test_an_empty_path_is_refused():
    with pytest.raises(ValueError, match="the path of a file is empty"):
        gf.PCA(2).fit("")


def test_iterators_that_end_once_are_refused():
    with pytest.raises(TypeError, match="a generator can be read but once: pass a callable"):
        gf.blocks(x for x in [np.ones((3, 2))])
    with pytest.raises(ValueError, match="must give an iterator of blocks, got int"):
        gf.blocks(lambda: 3)
    with pytest.raises(ValueError, match=r"block 1 of .* is dense float64 of 3 columns, but block 0 dense"):
        gf.blocks(lambda: iter([np.ones((3, 2)), np.ones((3, 3))]))
    with pytest.raises(ValueError, match="there is none"):
        gf.blocks(lambda: iter([]))


def test_a_callable_gives_its_rows_anew_for_every_pass_and_others_are_refused():
    X = files.rows()
    sizes = [100, 100]

    def some():
        return iter(np.array_split(X[: sizes.pop(0) if sizes else 90], 4))

    blocks = gf.blocks(some, memory=8 * 30 * COLS * 4)
    assert blocks.shape == (100, COLS)
    np.testing.assert_array_equal(whole(blocks), X[:100])
    with pytest.raises(OSError, match=r"rows 90 to 99 of .*some.* ends after 90 rows, but 100 were counted"):
        gf.PCA(2).fit(blocks)
    sizes = [100, 110]
    with pytest.raises(OSError, match="more rows than the 100 that were counted"):
        whole(gf.blocks(some, memory=8 * 30 * COLS * 4))


def test_a_file_that_does_not_fit_is_named(tmp_path):
    for name, shape in (("line.npy", (3,)), ("wide.npy", (2, 4))):
        np.save(tmp_path / name, np.ones(shape))
    with pytest.raises(ValueError, match=r"block 0, .*line\.npy, must have two dimensions, got 1"):
        gf.blocks(tmp_path / "line.npy")
    with pytest.raises(ValueError, match=r"block 1, .*wide\.npy, has 4 columns, but block 0 has 3"):
        gf.blocks([np.ones((2, 3)), tmp_path / "wide.npy"])
