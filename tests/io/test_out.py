"""Results of methods that go to a file row block by row block."""

import os
import threading
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.sparse as sp
from entries import counts
from file_cases import in_file
from sklearn.exceptions import NotFittedError

import gramfold as gf
from gramfold._core import level
from gramfold.fit.on_disk import OpenFile

METHODS = {
    "NMF.transform": (lambda: gf.NMF(3, random_state=0), "transform"),
    "MiniBatchNMF.transform": (lambda: gf.MiniBatchNMF(3, random_state=0), "transform"),
    "KMeans.predict": (lambda: gf.KMeans(3, random_state=0), "predict"),
    "KMeans.transform": (lambda: gf.KMeans(3, random_state=0), "transform"),
    "PCA.transform": (lambda: gf.PCA(3), "transform"),
    "PCA.score_samples": (lambda: gf.PCA(3), "score_samples"),
    "TruncatedSVD.transform": (lambda: gf.TruncatedSVD(3), "transform"),
    "IncrementalPCA.transform": (lambda: gf.IncrementalPCA(3), "transform"),
    "GaussianMixture.predict_proba": (lambda: gf.GaussianMixture(2, random_state=0), "predict_proba"),
    "PoissonMixture.score_samples": (lambda: gf.PoissonMixture(3, random_state=0), "score_samples"),
    "DictionaryLearning.transform": (lambda: gf.DictionaryLearning(4, random_state=0), "transform"),
    "RobustPCA.transform": (lambda: gf.RobustPCA(), "transform"),
    "Ridge.predict": (lambda: gf.Ridge(), "predict"),
}


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch):
    monkeypatch.setattr("gramfold.fit.out.TOGETHER", 2000)


def fitted(name, x):
    make, method = METHODS[name]
    model = make()
    model.fit(x, x[:, 0]) if isinstance(model, gf.Ridge) else model.fit(x)
    return getattr(model, method)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("name", METHODS)
def test_a_file_gets_what_the_method_gives(name, tmp_path):
    x = counts(150, 9)
    method, out = fitted(name, x), tmp_path / "out.npy"
    expected = method(x)
    for given in (x, in_file(x, tmp_path), gf.blocks([x[:40], x[40:]]), gf.blocks([in_file(x, tmp_path)])):
        found = method(given, out=out)
        assert isinstance(found, np.memmap)
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)
        np.testing.assert_array_equal(np.load(out), found)
    assert sorted(path.name for path in tmp_path.iterdir() if path.suffix) == ["out.npy"]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("name", METHODS)
def test_rows_in_files_are_read_once_and_give_the_bits_of_memory(name, tmp_path, monkeypatch):
    monkeypatch.setattr("gramfold.fit.out.NEAR", 2000)
    x = counts(150, 9)
    method, read = fitted(name, x), []
    expected = method(x)
    there, plain = in_file(x, tmp_path), OpenFile.read
    monkeypatch.setattr(OpenFile, "read", lambda *args: read.append(args[1:]) or plain(*args))
    equal = np.testing.assert_array_equal
    if name == "Ridge.predict" or level == "numpy":  # by BLAS, which adds up rows as it likes
        equal = partial(np.testing.assert_allclose, rtol=1e-12)
    equal(method(there), expected)
    assert sum(found.size for _, found in read) == x.nbytes
    assert len(read) == len({at for at, _ in read}) == 6

    rows = Noted(x)
    blocks = gf.blocks(rows, memory=8 * 40 * x[0].nbytes)
    rows.reads.clear()
    equal(method(blocks), expected)
    assert rows.reads == [(0, 40), (40, 80), (80, 120), (120, 150)]


class Noted:
    """Rows that note how they are read."""

    def __init__(self, rows):
        self.rows, self.shape, self.dtype, self.reads = rows, rows.shape, rows.dtype, []

    def __getitem__(self, at):
        self.reads.append((at.start, at.stop))
        return self.rows[at]


def test_sparse_rows_in_files_are_read_once_too(tmp_path, monkeypatch):
    monkeypatch.setattr("gramfold.fit.out.NEAR", 2000)
    x = sp.csr_array(counts(150, 9) * (counts(150, 9) > 2))
    coder = gf.SparseCoder(np.random.default_rng(0).random((4, 9)), output="csr")
    expected = coder.transform(x)
    there = in_file(x, tmp_path)
    found = coder.transform(there)
    assert sp.issparse(found)
    np.testing.assert_array_equal(found.toarray(), expected.toarray())


def test_a_bad_row_in_a_file_is_told_with_its_segment(tmp_path):
    x = counts(150, 9).astype(float)
    model = gf.KMeans(3, random_state=0).fit(x)
    x[130, 2] = np.nan
    with pytest.raises(ValueError, match="rows 120 to 149 of X: Input X contains NaN"):
        model.predict(gf.blocks(Noted(x), memory=8 * 40 * x[0].nbytes))
    with pytest.raises(NotFittedError, match=r"^This KMeans instance is not fitted"):
        gf.KMeans(3).predict(gf.blocks(Noted(x), memory=8 * 40 * x[0].nbytes))
    with pytest.raises(ValueError, match=r"^X has 5 features, but KMeans is expecting 9"):
        model.predict(gf.blocks(Noted(x[:, :5]), memory=8 * 40 * x[0].nbytes))


def test_a_file_that_is_written_while_results_are_made_is_an_error(tmp_path):
    x = counts(150, 9)
    model = gf.KMeans(3, random_state=0).fit(x)
    there = in_file(x, tmp_path)
    os.utime(there.gramfold_file.path, ns=(1, 1))
    with pytest.raises(OSError, match="changed since it was opened"):
        model.predict(there)


def test_what_else_has_rows_is_cut_with_them(tmp_path):
    x = counts(150, 9)
    exposure = np.linspace(1, 2, 150)
    model = gf.PoissonMixture(3, random_state=0).fit(x, exposure=exposure)
    found = model.predict_proba(x, exposure=exposure, out=tmp_path / "p.npy")
    np.testing.assert_allclose(found, model.predict_proba(x, exposure), rtol=1e-12)
    sparse = gf.KMeans(3, random_state=0).fit(sp.csr_array(x))
    np.testing.assert_array_equal(
        sparse.predict(sp.csr_array(x), out=tmp_path / "l.npy"), sparse.predict(sp.csr_array(x))
    )


def test_a_file_is_whole_or_as_it_was(tmp_path, monkeypatch):
    x = counts(150, 9)
    method, out = fitted("PCA.transform", x), tmp_path / "out.npy"
    before = method(x, out=out).copy()
    bad = x.copy()
    bad[-1, -1] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        method(bad, out=out)
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=10))
    with pytest.raises(OSError, match=r"out='.*out.npy' takes 3,600 bytes, but 10 are free"):
        method(x, out=out)
    np.testing.assert_array_equal(np.load(out), before)
    assert [path.name for path in tmp_path.iterdir()] == ["out.npy"]


def test_a_path_that_will_not_do_is_refused(tmp_path):
    x = counts(150, 9)
    method = fitted("PCA.transform", x)
    with pytest.raises(ValueError, match=r"out must be the path of a \.npy file"):
        method(x, out=tmp_path / "out.csv")
    np.save(tmp_path / "x.npy", x)
    with pytest.raises(ValueError, match="is the file of X"):
        method(tmp_path / "x.npy", out=tmp_path / "x.npy")
    with pytest.raises(FileNotFoundError):
        method(x, out=tmp_path / "none" / "x.npy")
    coder = gf.SparseCoder(np.eye(9), output="csr")
    with pytest.raises(TypeError, match="sparse rows"):
        coder.transform(x, out=tmp_path / "codes.npy")


def test_nothing_goes_on_reading_for_a_traceback(tmp_path, monkeypatch):
    monkeypatch.setattr("gramfold.fit.out.NEAR", 2000)
    x = counts(150, 9).astype(float)
    model = gf.KMeans(3, random_state=0).fit(x)
    x[40, 2] = np.nan
    for given in (in_file(x, tmp_path), gf.blocks(Noted(x), memory=8 * 40 * x[0].nbytes)):
        with pytest.raises(ValueError, match="contains NaN") as error:
            model.predict(given)
        assert error.traceback
        assert "gramfold-read" not in [thread.name for thread in threading.enumerate()]
