"""How X in a flat file is read: some rows at a time, and no time more than a model needs."""

import re
import sys
import tracemalloc
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
from file_cases import in_file
from test_dtypes import numbers, of_floats, same

import gramfold as gf
from gramfold.fit.floats import as_floats
from gramfold.fold.observe import observe

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

OF_SPARSE = {
    "PCA": lambda: gf.PCA(4), "Krylov": lambda: gf.PCA(1, svd_solver="arpack", random_state=0),
    "SVD": lambda: gf.TruncatedSVD(3), "cosine": lambda: gf.KMeans(4, metric="cosine", random_state=0),
    "Ridge": lambda: gf.Ridge(), "conjugate gradients": lambda: gf.Ridge(solver="sparse_cg"),
}  # fmt: skip


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8"])
@pytest.mark.parametrize("name", OF_SPARSE)
def test_sparse_files_with_weights_and_full_columns_give_the_bits_of_memory(
    name, dtype, weighted, tmp_path, monkeypatch
):
    monkeypatch.setattr("gramfold.fit.floats.PIECE", 5000)
    rng = np.random.default_rng(0)
    x = rng.random((1500, 40)) * 50 * (rng.random((1500, 40)) < 0.3)
    x[:, 5] = 200 + rng.random(1500)  # whose mean is taken off the entries
    x = sp.csr_array(x.astype(dtype))
    there, weights = in_file(x, tmp_path), rng.random(1500) * (rng.random(1500) < 0.9)
    y = (rng.random(1500),) if isinstance(OF_SPARSE[name](), gf.Ridge) else ()
    given = {"sample_weight": weights} if weighted else {}
    found, expected = (OF_SPARSE[name]().fit(of, *y, **given) for of in (there, of_floats(x)))
    same(*({k: v for k, v in vars(of).items() if isinstance(v, np.ndarray)} for of in (found, expected)))
    if hasattr(found, "transform"):
        np.testing.assert_array_equal(found.transform(there), expected.transform(of_floats(x)))
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("form", ["C", "csr"])
@pytest.mark.parametrize("exponent", [-60, 0, 60])
def test_kmeans_reads_a_file_no_time_more_to_look_for_nan(form, exponent, tmp_path):
    x = np.ldexp(numbers("float32", 900, 20), exponent)
    x = sp.csr_array(x) if form == "csr" else x
    there = in_file(x, tmp_path)
    model = partial(gf.KMeans, 4, init="random", n_init=1, max_iter=2, tol=1e-9, random_state=0)
    found, expected = (model().fit(of) for of in (there, x))
    same(*({k: v for k, v in vars(of).items() if isinstance(v, np.ndarray)} for of in (found, expected)))
    file = (there.stored if form == "csr" else there).gramfold_file
    if exponent == 0:  # one for the variance, two iterations, and the labels
        assert file.passes == 4


@pytest.mark.parametrize("form", ["C", "csr", "blocks"])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("row", [0, 450, 899])
def test_kmeans_says_of_nan_in_a_file_what_it_says_of_it_in_memory(form, bad, row, tmp_path):
    x = numbers("float32", 900, 20) + 1
    x[row, 3] = bad
    x = sp.csr_array(x) if form == "csr" else x
    there = in_file(x, tmp_path)
    given = (gf.blocks([there]), gf.blocks([x])) if form == "blocks" else (there, x)
    said = []
    for of in given:
        with pytest.raises(ValueError, match="contains") as error:
            gf.KMeans(4, random_state=0).fit(of)
        said.append(str(error.value))
    assert said[0] == said[1]


PAGE = (Path(__file__).parents[1] / "docs" / "files.md").read_text(encoding="utf-8")
READS = dict(re.findall(r"^\| `(\w+\(.*\))` \| ([\dik+ ]+) \|$", PAGE, re.MULTILINE))


def bytes_read():
    """How many this process has read so far."""
    return int(Path("/proc/self/io").read_text().split("rchar:")[1].split()[0])


@pytest.mark.skipif(sys.platform != "linux", reason="Linux says what was read")
@pytest.mark.parametrize("fit", READS)
@pytest.mark.parametrize("i", [2, 5])
def test_a_fit_reads_a_file_as_often_as_its_page_says(fit, i, tmp_path):
    rng = np.random.default_rng(0)
    x = rng.random((20_000, 3), np.float32) @ rng.random((3, 20), np.float32)
    x += 0.1 * rng.random(x.shape, np.float32)
    model = eval(f"gf.{fit}")
    wanted = {"max_iter": i, "tol": 1e-9 if "KMeans" in fit else 0, "random_state": 0, "n_threads": 2}
    known = model.get_params()
    if "Ridge" not in fit:
        model.set_params(**{name: value for name, value in wanted.items() if name in known})
    y = (rng.random(len(x)),) if "Ridge" in fit else ()
    model.fit(in_file(x[:2000], tmp_path), *(part[:2000] for part in y))  # what is loaded when it is needed
    there, before = in_file(x, tmp_path), bytes_read()
    model.fit(there, *y)
    counted = (bytes_read() - before) / x.nbytes
    if "i" in READS[fit]:
        assert model.n_iter_ == i
    said = eval(READS[fit].replace("2 i", "2 * i"), {"i": i, "k": known.get("n_clusters")})
    assert abs(counted - said) < 0.25


def test_the_page_says_how_often_all_models_read():
    named = {fit.split("(")[0] for fit in READS}
    assert named == {
        "PCA", "TruncatedSVD", "Ridge", "NMF", "KMeans", "GaussianMixture", "RobustPCA", "DictionaryLearning",
    }  # fmt: skip


def test_robust_pca_takes_what_it_measures_from_its_first_look(monkeypatch, tmp_path):
    x = numbers("float64", 300, 20)
    expected = gf.RobustPCA(max_iter=5).fit(x)
    monkeypatch.setattr("gramfold.rpca.dense_passes.measure", lambda *given: pytest.fail("one read more"))
    found = gf.RobustPCA(max_iter=5).fit(in_file(x, tmp_path))
    np.testing.assert_array_equal(found.low_rank_.dense(), expected.low_rank_.dense())


def test_what_is_observed_of_a_file_takes_no_memory_of_its_size(tmp_path):
    x = np.random.default_rng(0).random((800_000, 20), np.float32)
    x[::7, 3] = np.nan
    there, expected = in_file(x, tmp_path), observe(x)
    tracemalloc.start()
    try:
        found = observe(as_floats(there))
        least, mean, sums = found.least, found.mean, found.column_means
        assert tracemalloc.get_traced_memory()[1] < x.nbytes / 2
    finally:
        tracemalloc.stop()
    assert (least, mean) == (expected.least, expected.mean)
    np.testing.assert_array_equal(sums, expected.column_means)
    np.testing.assert_allclose(sums, np.nanmean(x, axis=0, dtype=np.float64), rtol=1e-6)
