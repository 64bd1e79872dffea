"""X in a flat file is read where it lies, with the bits of the array in memory, and not through its map."""

import os
import pickle
import signal
import sys
import threading

import numpy as np
import pytest
import scipy.sparse as sp
from entries import ENTRIES, counts
from file_cases import in_file, mapped
from kernel_fuzz import STUB, Case
from test_dtypes import MODELS, numbers, of_floats, same

import gramfold as gf
from gramfold.fit.on_disk import OnDisk, OpenFile, loaded, of_map, on_disk
from gramfold.fold.runs import Draws, permuted
from gramfold.fold.source import Source

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

FORMS = {
    "C": "float64", "F": "float32", "record": ">f4", "strided": "uint8", "reversed": "float16",
    "csr": "float32",
}  # fmt: skip


OTHERS = [form for form in FORMS if form not in ("C", "csr")]


@pytest.mark.skipif(sys.platform != "linux", reason="Linux says what of a map is in memory")
@pytest.mark.parametrize(
    ("name", "form"),
    [(name, form) for i, name in enumerate(ENTRIES) for form in ("C", "csr", OTHERS[i % len(OTHERS)])],
)
def test_every_model_gives_the_bits_of_memory_and_reads_nothing_through_the_map(name, form, tmp_path):
    entry, x = ENTRIES[name], numbers(FORMS[form])
    if form == "csr":
        if not entry.sparse:
            pytest.skip("dense X only")
        x = sp.csr_array(x)
    elif entry.observed:
        pytest.skip("the entries stored are what is observed")
    there = in_file(x, tmp_path, form)
    same(entry.run(there), entry.run(of_floats(np.asfortranarray(x) if form == "F" else x)))
    assert mapped(tmp_path) == 0


@pytest.mark.parametrize("shape", [(1100, 33), (90, 1500), (5000, 3)])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", MODELS)
def test_files_of_many_blocks_give_the_bits_of_memory(name, form, shape, tmp_path):
    x = counts(*shape, empty_row=False).astype(FORMS[form])
    if form == "csr" and name == "missing":
        pytest.skip("dense X only")
    x = sp.csr_array(x) if form == "csr" else x
    there = in_file(x, tmp_path, form)
    if (form == "csr" and name == "a mixture") or (name == "PCA" and shape[1] < 4):
        pytest.skip("not for this model")
    here = of_floats(np.asfortranarray(x) if form == "F" else x)
    found, expected = (vars(MODELS[name]().fit(of)) for of in (there, here))
    same(*({k: v for k, v in of.items() if isinstance(v, np.ndarray)} for of in (found, expected)))


@pytest.mark.parametrize("kernel", [name for name, arguments in STUB.items() if "x" in arguments])
def test_kernels_read_files_as_memory(compiled, kernel, tmp_path):
    first, returned = list(STUB).index(kernel), 0
    for number in range(first, first + 40 * len(STUB), len(STUB)):
        if Case(number, sound=True).arguments["x"] is not None:
            returned += returns(compiled, number, tmp_path)
    assert returned > 0


def returns(kernels, number, folder):
    """Whether a call with X in a file returned, which does the same as that with X in memory."""

    def call(*, from_file):
        case = Case(number, sound=True)
        arguments, x = case.arguments, case.arguments["x"]
        if isinstance(x, tuple):
            some = np.nan_to_num(x[0], nan=0, posinf=9, neginf=0), x[1]
            put = tuple(in_file(part, folder) for part in some) if x[0].size else some
            arguments["x"] = (*(put if from_file else some), *x[2:])
        else:
            form = "F" if number % 2 else "C"
            x = np.nan_to_num(np.array(x, order=form), nan=0, posinf=9, neginf=0)
            arguments["x"] = in_file(x, folder, form) if from_file and x.size else x
        try:
            found = getattr(kernels, case.kernel)(**arguments)
        except (ValueError, TypeError) as error:
            return type(error), None
        return found, {name: value for name, value in arguments.items() if name != "x"}

    with np.errstate(all="ignore"):
        found, expected = call(from_file=True), call(from_file=False)
    np.testing.assert_equal(found, expected)
    return found[1] is not None


@pytest.mark.parametrize("columns", ["int64", "int32"])
def test_columns_may_be_narrower_than_row_pointers(kernels, columns, tmp_path):
    x = sp.csr_array(numbers("float32"))
    data, at = (in_file(part, tmp_path) for part in (x.data, x.indices.astype(columns)))
    f = np.random.default_rng(0).random((9, 4), np.float32)
    out, expected = np.empty((60, 4), np.float32), np.empty((60, 4), np.float32)
    starts = x.indptr.astype(np.int64)
    kernels.products(x=(data, at, starts, 9), f=f, out=out, image=None, n_threads=2)
    kernels.products(x=(x.data, x.indices, x.indptr, 9), f=f, out=expected, image=None, n_threads=2)
    np.testing.assert_array_equal(out, expected)


def test_views_are_in_the_file_and_what_is_computed_is_not(tmp_path):
    x = np.arange(60.0).reshape(12, 5)
    there = in_file(x, tmp_path)
    assert isinstance(there[2:, ::2], OnDisk)
    for key in (
        np.s_[3], np.s_[2, 1], np.s_[::-1, 1:3], np.s_[-2:], [3, 1, 1, -1], np.arange(12) > 4,
        np.s_[[1, 2], [0, 4]], np.s_[::3, ::-2], np.array([], int),
    ):  # fmt: skip
        np.testing.assert_array_equal(loaded(there[key]), x[key])
    for found in (
        there + 1,
        np.sum(there, axis=0),
        np.concatenate([there, there]),
        there.astype("f4"),
        there.copy(),
    ):
        assert not isinstance(found, OnDisk)
    np.testing.assert_array_equal(np.concatenate([there, there])[12:], x)
    with pytest.raises(IndexError, match="at least -12 and less than 12"):
        there[[12]]
    with pytest.raises(ValueError, match="read-only"):
        there[0, 0] = 1
    assert mapped(tmp_path) == 0


@pytest.mark.parametrize("form", ["C", "F", "csr"])
def test_rows_that_lie_near_each_other_are_one_read(form, tmp_path, monkeypatch):
    monkeypatch.setattr("gramfold.fit.on_disk.NEAR", 300)
    monkeypatch.setattr("gramfold.fit.floats.NEAR", 300)
    monkeypatch.setattr("gramfold.fit.on_disk.TOGETHER", 3000)
    monkeypatch.setattr("gramfold.fit.floats.TOGETHER", 3000)
    x = numbers("float32", 900, 7)
    there = in_file(sp.csr_array(x) if form == "csr" else np.asarray(x, order=form), tmp_path)
    reads, original = [], OpenFile.read
    monkeypatch.setattr(
        OpenFile, "read", lambda self, at, found: reads.append(found.size) or original(self, at, found)
    )
    rng = np.random.default_rng(0)
    for rows in (np.flatnonzero(rng.random(900) < 0.5), rng.integers(0, 900, 400), np.arange(0, 900, 200)):
        reads.clear()
        found = there[rows]
        np.testing.assert_array_equal(found.toarray() if form == "csr" else loaded(found), x[rows])
        assert sum(reads) <= (2 if form == "csr" else 1) * x.nbytes or not np.all(np.diff(rows) > 0)
        if np.all(np.diff(rows) > 0) and form != "F":
            assert len(reads) <= 2 * min(len(rows), 12)


def test_a_pickle_names_the_file(tmp_path):
    there = in_file(np.arange(600_000.0).reshape(-1, 6), tmp_path)[5:, ::2]
    passed = pickle.dumps(there)
    assert len(passed) < 1000
    np.testing.assert_array_equal(loaded(pickle.loads(passed)), loaded(there))


@pytest.mark.parametrize("mode", ["r", "r+", "c"])
def test_memory_maps_are_read_as_files_unless_they_are_copies(tmp_path, mode):
    x = numbers("float32", 400, 30)
    np.save(tmp_path / "x.npy", x)
    given = np.load(tmp_path / "x.npy", mmap_mode=mode)
    if mode != "r":
        given[3, 3] = x[3, 3] = 77
    assert isinstance(of_map(given[5:, ::-1]), OnDisk) is (mode != "c")
    found, expected = (gf.PCA(3).fit(of[5:, 4:]).components_ for of in (given, x))
    np.testing.assert_array_equal(found, expected)
    if mode == "r":
        assert mapped(tmp_path) <= 128  # one look at the corner
    (tmp_path / "x.npy").unlink()
    assert not isinstance(of_map(given), OnDisk)


def test_a_file_shorter_than_its_array_is_refused(tmp_path):
    (tmp_path / "x").write_bytes(bytes(100))
    with pytest.raises(
        ValueError, match=r"x has 100 bytes, but 5 x 4 float64 from byte 8 on end at byte 168"
    ):
        on_disk(tmp_path / "x", np.float64, (5, 4), 8)
    with pytest.raises(FileNotFoundError):
        on_disk(tmp_path / "none", np.float64, (5, 4))
    with pytest.raises(IsADirectoryError):
        on_disk(tmp_path, np.float64, (5, 4))
    (tmp_path / "empty").write_bytes(b"")
    with pytest.raises(ValueError, match="0 bytes"):
        on_disk(tmp_path / "empty", np.float64, (5, 4))


MODELS_OF_FILES = {
    "NMF": lambda: gf.NMF(4, random_state=0), "KMeans": lambda: gf.KMeans(4, random_state=0),
    "PCA": lambda: gf.PCA(4), "a mixture": lambda: gf.GaussianMixture(2, random_state=0),
    "Ridge": lambda: gf.Ridge(), "RobustPCA": lambda: gf.RobustPCA(),
}  # fmt: skip


@pytest.mark.parametrize("form", ["C", "csr"])
@pytest.mark.parametrize("name", MODELS_OF_FILES)
def test_a_file_that_shrinks_is_an_error_with_its_path(name, form, tmp_path):
    x = numbers("float64", 4000, 30)
    there = in_file(sp.csr_array(x) if form == "csr" else x, tmp_path, form if form == "C" else "C")
    if form == "csr" and name in ("a mixture", "RobustPCA"):
        pytest.skip("dense X only")
    path = next(path for path in tmp_path.iterdir() if path.stat().st_size > 100_000)
    os.truncate(path, 50_000)
    model = MODELS_OF_FILES[name]()
    with pytest.raises(OSError, match=r"changed|at byte \d+") as error:
        model.fit(there, *((np.zeros(4000),) if name == "Ridge" else ()))
    assert error.value.filename == str(path)
    assert not [name for name in vars(model) if name.endswith("_") and name != "n_features_in_"]


@pytest.mark.parametrize("name", MODELS_OF_FILES)
def test_a_file_that_is_written_during_a_fit_is_an_error(name, tmp_path):
    x = numbers("float64", 3000, 30)
    there = in_file(x, tmp_path)
    os.utime(next(tmp_path.iterdir()), ns=(1, 1))
    with pytest.raises(OSError, match="changed since it was opened"):
        MODELS_OF_FILES[name]().fit(there, *((np.zeros(3000),) if name == "Ridge" else ()))


def test_a_file_that_is_replaced_is_read_to_its_end(tmp_path):
    x = numbers("float64", 3000, 30)
    there = in_file(x, tmp_path)
    other = tmp_path / "other"
    other.write_bytes(bytes(10))
    other.replace(there.gramfold_file.path)
    np.testing.assert_array_equal(gf.PCA(3).fit(there).components_, gf.PCA(3).fit(x).components_)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_nan_in_the_last_block_is_refused(bad, tmp_path):
    x = numbers("float32", 3000, 30)
    x[-1, -1] = bad
    there = in_file(x, tmp_path)
    for model in (make() for name, make in MODELS_OF_FILES.items() if name != "RobustPCA"):
        with pytest.raises(ValueError, match="Input X contains " + ("NaN" if bad != bad else "infinity")):
            model.fit(there, *((np.zeros(3000),) if isinstance(model, gf.Ridge) else ()))
    if bad != bad:
        with pytest.raises(ValueError, match="contains NaN: missing='mask'"):
            gf.NMF(2).fit(there)


def test_an_interrupt_ends_a_fit_within_a_second(tmp_path):
    path = tmp_path / "x"
    with path.open("wb") as file:
        file.truncate(3_000_000 * 400)  # of zeros, which take no room
    there = on_disk(path, np.float32, (3_000_000, 100))
    threading.Timer(1, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        gf.NMF(8, init="random", tol=0).fit(there)


@pytest.mark.parametrize(
    "model",
    [
        gf.MiniBatchKMeans(3, random_state=0),
        gf.MiniBatchDictionaryLearning(3, batch_size=250, max_iter=2, random_state=0),
    ],
)
def test_rows_of_large_files_are_drawn_in_runs(model, tmp_path, monkeypatch):
    x = numbers("float64", 1200, 9)
    there = in_file(x, tmp_path)
    monkeypatch.setattr("gramfold.fold.runs.LARGE", 1000)
    monkeypatch.setattr("gramfold.fold.runs.RUN", 72 * 25)
    chosen = []
    original = OnDisk._chosen
    monkeypatch.setattr(OnDisk, "_chosen", lambda self, rows: chosen.append(rows) or original(self, rows))
    model.fit(there)
    assert chosen
    in_runs = [rows for rows in chosen if len(rows) >= 25 and np.all(rows[:25] == rows[0] + np.arange(25))]
    assert len({int(rows[0]) for rows in in_runs}) > 1


def test_all_rows_are_in_the_runs(monkeypatch):
    monkeypatch.setattr("gramfold.fold.runs.LARGE", 1000)
    monkeypatch.setattr("gramfold.fold.runs.RUN", 72 * 25)
    source, rng = Source(numbers("float64", 103, 9), 1), np.random.RandomState(0)
    source.flat = True
    order = permuted(source, rng)
    assert sorted(order) == list(range(103))
    assert np.count_nonzero(np.diff(order) != 1) <= 4
    draws = Draws(source, np.full(103, 1 / 103), alike=True)
    assert len(draws(rng, 60)) == 60
    assert np.all(draws(rng, 60) < 103)
