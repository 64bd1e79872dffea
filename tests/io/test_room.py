"""What a fit keeps of rows lies in memory within `memory=`, beyond it in scratch files that leave nothing."""

import errno
import gc
import os
import shutil
import subprocess
import sys
import tempfile

import numpy as np
import pytest
import scipy.sparse as sp
from file_cases import in_file

import gramfold as gf
from gramfold._core import level
from gramfold.fit.floats import csr_on_disk
from gramfold.fit.on_disk import in_file as lies_in_file
from gramfold.fit.on_disk import loaded
from gramfold.fit.room import IN_ROOM, room_for

rooms = pytest.importorskip("gramfold._core._room", reason="compiled")

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

ROWS, COLS, MEMORY = 1_500_000, 12, 192  # and MB


MODELS = {
    "NMF": lambda: gf.NMF(16, init="random", max_iter=2, tol=0, random_state=0),
    "KMeans": lambda: gf.KMeans(32, max_iter=2, tol=0, random_state=0),
    "RobustPCA": lambda: gf.RobustPCA(max_iter=2),
    "DictionaryLearning": lambda: gf.DictionaryLearning(40, alpha=0.01, max_iter=1, random_state=0),
}


def fit_one(path, make):
    """Print by how many MB the peak rises, and whether the bits are those without a bound."""
    make().fit(np.random.default_rng(0).random((300, COLS), np.float32))  # what is loaded when it is needed
    with open("/proc/self/clear_refs", "w") as clear:
        clear.write("5")  # forget the peak so far
    before = high()
    bounded = learned(make().fit(gf.blocks(path, memory=f"{MEMORY}M")))
    print(round(high() - before), np.array_equal(bounded, learned(make().fit(path))))


def learned(model):
    if isinstance(model, gf.RobustPCA):
        return model.low_rank_.V
    return model.cluster_centers_ if isinstance(model, gf.KMeans) else model.components_


def high():
    """The most MB that this process has had."""
    with open("/proc/self/status") as status:
        return int(status.read().split("VmHWM:")[1].split()[0]) / 1024


@pytest.fixture
def busy():
    """Four processes that want a CPU each."""
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(4)]
    yield
    for other in others:
        other.kill()
        other.wait()


def bounded(name, run_python, tmp_path):
    """Fit one of the models in a process of its own; it is to keep its bound and its bits."""
    X = np.lib.format.open_memmap(tmp_path / "x.npy", "w+", np.float32, (ROWS, COLS))
    rng = np.random.default_rng(0)
    X[:] = rng.random((ROWS, 3), np.float32) @ rng.random((3, COLS), np.float32)
    X[rng.random(X.shape, np.float32) < 0.1] = 3
    X.flush()
    code = "import warnings, sys; warnings.simplefilter('ignore'); sys.path.insert(0, 'io'); "
    code += f"import test_room as t; t.fit_one({str(tmp_path / 'x.npy')!r}, t.MODELS[{name!r}])"
    rise, same = run_python(code, 300).split()
    assert int(rise) < MEMORY
    assert same == "True"


@pytest.mark.skipif(sys.platform != "linux", reason="Linux says how much memory there was")
@pytest.mark.skipif(level == "numpy", reason="NumPy takes minutes, and copies of its own")
@pytest.mark.parametrize("name", MODELS)
def test_memory_bounds_what_a_fit_takes_in_all(name, run_python, tmp_path):
    bounded(name, run_python, tmp_path)


@pytest.mark.skipif(sys.platform != "linux", reason="Linux says how much memory there was")
@pytest.mark.skipif(level == "numpy", reason="NumPy takes minutes, and copies of its own")
@pytest.mark.parametrize("name", ["NMF", "RobustPCA"])
def test_memory_bounds_what_a_fit_takes_beside_busy_processes(name, run_python, tmp_path, busy):
    bounded(name, run_python, tmp_path)


@pytest.fixture
def folder(monkeypatch, tmp_path):
    """A folder for scratch files."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_arrays_beyond_the_budget_lie_in_files_and_outlive_them(folder):
    room = rooms.make(3 << 20, str(folder))
    before = rooms.use(room)
    try:
        inside, small = np.ones(300_000), np.ones(1000)
        beyond = np.arange(400_000.0)
        zeros = np.zeros((1000, 400))
        grown = np.ones(1000)
        grown.resize(500_000, refcheck=False)
        beyond.resize(450_000, refcheck=False)
        assert rooms.state(room)[1] >= 8 * (450_000 + 400_000)
    finally:
        rooms.use(before)
        rooms.rest(room)
    assert not os.listdir(folder)
    del room
    gc.collect()
    assert inside.sum() == 300_000
    assert small.sum() == 1000
    assert (beyond[:400_000] == np.arange(400_000)).all()
    assert not zeros.any()
    assert grown.sum() == 1000
    zeros[:] = 2
    assert zeros.sum() == 800_000


def test_what_is_let_go_of_is_there_again(folder):
    room = rooms.make(0, str(folder))
    before = rooms.use(room)
    try:
        many = [np.full(2_000_000, float(i)) for i in range(12)]  # more than is left in memory
        for i, one in enumerate(many):
            assert (one == i).all()
    finally:
        rooms.use(before)
    assert rooms.state(room)[0] == 0
    del many, one
    assert rooms.state(room)[1] == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_room_goes_on_in_a_child_of_a_fork(folder):
    room = rooms.make(0, str(folder))
    before = rooms.use(room)
    try:
        many = [np.full(2_000_000, 1.0)]
        child = os.fork()
        if not child:
            many += [np.full(2_000_000, float(i)) for i in range(12)]
            rooms.rest(room)
            os._exit(7 if all((one == i).all() for i, one in enumerate(many[1:])) else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
        many.append(np.full(2_000_000, 2.0))
    finally:
        rooms.use(before)
        rooms.rest(room)
    assert [one[-1] for one in many] == [1, 2]


def test_results_are_the_same_whatever_the_memory(folder, tmp_path):
    X = np.random.default_rng(0).integers(0, 5, (60_000, 30)).astype(np.float32)
    np.save(tmp_path / "x.npy", X)
    for make in (
        lambda: gf.NMF(8, max_iter=4, tol=0, random_state=0),
        lambda: gf.KMeans(20, max_iter=4, random_state=0),
        lambda: gf.GaussianMixture(3, max_iter=3, tol=0, random_state=0),
        lambda: gf.RobustPCA(max_iter=4),
        lambda: gf.DictionaryLearning(6, max_iter=2, random_state=0),
    ):
        found, expected = make().fit(gf.blocks(tmp_path / "x.npy", memory="1M")), make().fit(X)
        for name, value in vars(expected).items():
            if isinstance(value, np.ndarray) and name.endswith("_"):
                np.testing.assert_array_equal(vars(found)[name], value)
    assert sorted(os.listdir(tmp_path)) == ["x.npy"]


def test_memory_is_that_of_the_outer_fit_alone(tmp_path):
    blocks = gf.blocks([np.ones((5, 2))], memory="1G")
    with room_for(blocks, gf.NMF(2)):
        assert IN_ROOM.get()
        with room_for(blocks, gf.NMF(2)):
            pass
        assert IN_ROOM.get()
    assert not IN_ROOM.get()


def test_what_has_no_room_is_told_with_the_numbers_before_the_fit(folder, monkeypatch):
    X = gf.blocks([np.ones((500_000, 4), np.float32)], memory="1M")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10, 9, 1000))
    read = []
    monkeypatch.setattr(gf.NMF, "_factorise", lambda *given: read.append(given))
    with pytest.raises(
        OSError, match=r"NMF keeps about [\d,]+ bytes of the 500,000 rows .* 1,000 bytes are free"
    ):
        gf.NMF(8).fit(X)
    assert not read


def test_a_scratch_file_that_cannot_be_made_is_an_error_with_the_numbers(tmp_path, monkeypatch):
    X = gf.blocks([np.random.default_rng(0).random((200_000, 6), np.float32)], memory="1M")
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(gone))
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    gone.rmdir()
    with pytest.raises(
        OSError, match=r"of 1,048,576 bytes of memory no more are left: an array of [\d,]+"
    ) as error:
        gf.NMF(8, init="random").fit(X)
    assert error.value.filename == str(gone)


def test_columns_whose_square_is_beyond_the_memory_are_warned_of(monkeypatch):
    monkeypatch.setattr("gramfold.fit.needs.FEW", 1000)
    X = gf.blocks([np.random.default_rng(0).random((200, 50), np.float32)], memory="10K")
    with pytest.warns(UserWarning, match=r"PCA takes about 60,000 bytes for matrices of 50 x 50, .*=10,240"):
        gf.PCA(2).fit(X)


@pytest.mark.parametrize("given", [str, np.load])
def test_what_a_bare_file_has_no_room_for_is_told_before_the_fit(given, folder, monkeypatch):
    np.save(folder / "x.npy", np.ones((500_000, 4), np.float32))
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10, 9, 1000))
    monkeypatch.setattr("gramfold.fit.room.physical_memory", lambda: 2 << 20)
    X = str(folder / "x.npy") if given is str else np.load(folder / "x.npy", mmap_mode="r")
    monkeypatch.setattr(
        gf.NMF, "_factorise", lambda *given: pytest.fail("it began")
    ) if given is np.load else None
    with pytest.raises(
        OSError, match=r"NMF keeps about [\d,]+ bytes of the 500,000 rows .* 1,048,576 are in"
    ):
        gf.NMF(8).fit(X)


def wide(folder, form="csr"):
    x = sp.csr_array(sp.random(300, 1100, 0.1, random_state=0, format="csr", dtype=np.float32))
    there = in_file(x, folder)
    return x, gf.blocks([there], memory="2M") if form == "blocks" else there


WIDE = {
    "NMF": lambda: gf.NMF(3, max_iter=4, random_state=0),
    "PCA": lambda: gf.PCA(3, random_state=0),
    "SVD": lambda: gf.TruncatedSVD(3, random_state=0),
}


@pytest.mark.parametrize("form", ["csr", "blocks"])
@pytest.mark.parametrize("name", WIDE)
def test_a_wide_sparse_file_is_turned_on_the_disk_to_the_same_bits(name, form, folder, monkeypatch):
    monkeypatch.setattr("gramfold.fold.source.fits", lambda size: False)
    monkeypatch.setattr("gramfold.fit.scratch_csr.TOGETHER", 2000)
    monkeypatch.setattr("gramfold.fit.floats.PIECE", 3000)
    made = []
    monkeypatch.setattr(
        "gramfold.fit.scratch_csr.csr_on_disk", lambda *of: made.append(csr_on_disk(*of)) or made[-1]
    )
    x, there = wide(folder, form)
    found, expected = WIDE[name]().fit(there), WIDE[name]().fit(gf.blocks([x]) if form == "blocks" else x)
    for of, value in vars(expected).items():
        if isinstance(value, np.ndarray):
            np.testing.assert_array_equal(vars(found)[of], value)
    own = x.T.tocsr()
    assert made or (form == "blocks" and name != "NMF")  # which copies blocks together
    for turned in made[:1]:
        assert lies_in_file(turned.stored)
        np.testing.assert_array_equal(loaded(turned.stored), own.data)
        np.testing.assert_array_equal(loaded(turned.places), own.indices)
        np.testing.assert_array_equal(turned.indptr, own.indptr)
    assert len(os.listdir(folder)) == 2


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (
            gf.PCA(2),
            r"PCA takes X of shape \(300, 1100\) transposed too, .* 396,000 bytes, but 1,000 are",
        ),
        (
            gf.RobustPCA(),
            r"RobustPCA keeps about 2,112,000 bytes of the 33,000 stored .* take 1,048,576 bytes",
        ),
    ],
)
def test_what_a_sparse_file_has_no_room_for_is_told_before_the_fit(model, said, folder, monkeypatch):
    _, there = wide(folder)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10, 9, 1000))
    with pytest.raises(OSError, match=said):
        model.fit(gf.blocks([there], memory="1M"))
    assert there.stored.gramfold_file.passes == 0


def test_a_bound_that_is_not_kept_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "gramfold._core._room", None)
    X = np.ones((20, 4))
    with pytest.warns(UserWarning, match="memory= bounds segments alone, and not what the fit keeps of rows"):
        gf.PCA(2).fit(gf.blocks([X], memory="1M"))
    gf.PCA(2).fit(gf.blocks([X]))  # nothing was asked for


def test_a_copy_for_which_the_disk_has_no_room_is_an_error_and_leaves_nothing(folder, tmp_path, monkeypatch):
    x = sp.csr_array(sp.random(400, 30, 0.3, random_state=0, format="csr"))

    def full(*given):
        raise OSError(errno.ENOSPC, "full")

    model, there = gf.KMeans(2, metric="cosine"), in_file(x, tmp_path)
    gc.collect()
    descriptors = len(os.listdir("/proc/self/fd"))
    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(
        OSError, match=r"a copy of X of shape \(400, 30\) takes a scratch file of [\d,]+ bytes"
    ):
        model.fit(there)
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) == descriptors
    assert len(os.listdir(folder)) == 2  # those of X
