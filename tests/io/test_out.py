"""Results of methods that go to a file row block by row block."""

from types import SimpleNamespace

import numpy as np
import pytest
import scipy.sparse as sp
from entries import counts
from file_cases import in_file

import gramfold as gf

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
