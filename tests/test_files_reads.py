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
from gramfold import _core
from gramfold._core import kernels
from gramfold.fit.floats import as_floats
from gramfold.fold.observe import observe
from gramfold.fold.segments import source_of
from gramfold.kmeans.passes import UNBOUNDED, assign

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


LOOKING = {
    "KMeans": lambda: gf.KMeans(4, random_state=0),
    "NMF": lambda: gf.NMF(3, random_state=0),
    "NMF, random": lambda: gf.NMF(3, init="random", random_state=0),
    "KL": lambda: gf.NMF(3, beta_loss="kullback-leibler", random_state=0),
    "MiniBatchNMF": lambda: gf.MiniBatchNMF(3, random_state=0),
    **{
        f"Gaussian, {init}, {kind}": lambda init=init, kind=kind: gf.GaussianMixture(
            3, init_params=init, covariance_type=kind, random_state=0
        )
        for init in ("kmeans", "k-means++", "random", "random_from_data")
        for kind in ("full", "tied", "diag", "spherical")
    },
    "Gaussian, no step": lambda: gf.GaussianMixture(3, max_iter=0, init_params="random_from_data"),
    "Gaussian, starts": lambda: gf.GaussianMixture(3, n_init=2, init_params="random_from_data"),
    "Poisson": lambda: gf.PoissonMixture(3, random_state=0),
    "DictionaryLearning": lambda: gf.DictionaryLearning(4, random_state=0),
    "MiniBatchDictionaryLearning": lambda: gf.MiniBatchDictionaryLearning(4, random_state=0),
    "IncrementalPCA": lambda: gf.IncrementalPCA(3),
    "IncrementalPCA, batches": lambda: gf.IncrementalPCA(19, batch_size=50),
    "PCA": lambda: gf.PCA(3),
}  # fmt: skip


@pytest.mark.parametrize("form", ["C", "F", "csr", "blocks"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("row", [0, 450, 899])
@pytest.mark.parametrize("name", LOOKING)
def test_what_is_said_of_nan_in_a_file_is_what_is_said_of_it_in_memory(name, form, bad, row, tmp_path):
    x = np.rint(numbers("float32", 900, 20)) + 1
    if "batches" in name:
        x[:, 10:] = x[:, :10]  # whose Gram matrix does not do
    x[row, 3] = bad
    if form == "csr":
        if "Gaussian" in name:
            pytest.skip("takes no sparse X")
        x = sp.csr_array(x)
    there = in_file(x, tmp_path, form if form == "F" else "C")
    given = (gf.blocks([there]), gf.blocks([x])) if form == "blocks" else (there, x)
    said = []
    for of in given:
        model = LOOKING[name]()
        before = dict(vars(model))
        with pytest.raises(ValueError, match="contains") as error:
            model.fit(of)
        said.append(str(error.value))
        assert vars(model) == before
    if form != "blocks":  # where it is known of which block
        assert said[0] == said[1]


COMPILED = pytest.mark.skipif(_core.level == "numpy", reason="kernels count passes; NumPy minds the layout")


@COMPILED
@pytest.mark.parametrize("in_vain", [False, True])
@pytest.mark.parametrize("name", ["NMF", "KL", "DictionaryLearning"])
@pytest.mark.parametrize("cols", [8, 80])
def test_a_first_product_that_is_foreseen_spares_a_read_or_is_made_anew(
    name, cols, in_vain, tmp_path, monkeypatch
):
    x = numbers("float32", 900, cols)
    if in_vain:
        x[1:64] *= 1024  # none of the rows that tell its size
    passes = []
    for _ in range(2):
        there = in_file(x, tmp_path)
        found, expected = (LOOKING[name]().set_params(max_iter=3).fit(of) for of in (there, x))
        same(*({k: v for k, v in vars(of).items() if isinstance(v, np.ndarray)} for of in (found, expected)))
        passes.append(there.gramfold_file.passes)
        for module in ("nmf.start", "dictionary.atoms"):
            monkeypatch.setattr(f"gramfold.{module}.foresee", lambda *given: None)
    assert passes[1] - passes[0] == (0 if in_vain else 1)


@COMPILED
@pytest.mark.parametrize("name", ["NMF", "KL", "MiniBatchNMF", "DictionaryLearning"])
@pytest.mark.parametrize("form", ["C", "F", "record", "strided", "reversed"])
@pytest.mark.parametrize("shape", [(900, 20), (900, 90), (700, 1100), (60, 900), (1, 5)])
@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8", ">f4"])
def test_a_start_whose_first_product_is_foreseen_has_the_bits_of_memory(name, form, shape, dtype, tmp_path):
    x = numbers(dtype, *shape)
    there = in_file(x, tmp_path, form)
    model = LOOKING[name]().set_params(max_iter=2, n_components=1 if shape[0] == 1 else 3)
    in_memory = of_floats(np.asfortranarray(x) if form == "F" else x)
    found, expected = (vars(model.fit(of)).copy() for of in (there, in_memory))
    same(*({k: v for k, v in of.items() if isinstance(v, np.ndarray)} for of in (found, expected)))


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
    rows = 60_000 if "Mixture" in fit else 20_000  # those that a frame is made of are to lie apart
    x = rng.random((rows, 3), np.float32) @ rng.random((3, 20), np.float32)
    x += 0.1 * rng.random(x.shape, np.float32)
    x = np.rint(10 * x) if "Poisson" in fit else x
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
    said = eval(re.sub(r"(\d) i", r"\1 * i", READS[fit]), {"i": i, "k": known.get("n_clusters")})
    assert abs(counted - said) < 0.25


@pytest.mark.skipif(sys.platform != "linux", reason="Linux says what was read")
@pytest.mark.parametrize("cols", [130, 300, 500, 1500])
@pytest.mark.parametrize("dtype", ["float32", "float64", ">f4", "int16"])
def test_no_row_is_read_twice_in_a_pass(cols, dtype, tmp_path):
    rows, rng = 8_000_000 // (4 * cols), np.random.default_rng(0)
    whole = rng.integers(100, size=(rows, cols)).astype(dtype)
    x, y, q = source_of(in_file(whole, tmp_path), 2), rng.random((rows, 1)), rng.random((cols, 7))
    around = {"y": y, "shift": None, "weights": None, "scale": 1.0, "n_threads": 2}

    def assigned(k):
        centers = np.ascontiguousarray(q[:, :1].T + np.arange(k)[:, None], dtype=x.dtype)
        rows_of = {"labels": np.full(rows, -1, np.int32), "lower": None, "upper": None, "weights": None}
        assign(x, {"centers": centers, **UNBOUNDED}, rows_of, sums=True, wide=False)

    passes = {
        "k-means, few": lambda: assigned(5),
        "k-means": lambda: assigned(20),
        "misfit": lambda: kernels.misfit(x=x.kernel, coefs=q[:, :1].copy(), **around),
        "product": lambda: x.product(q),
        "gram product": lambda: x.gram_product(q),
        "scan": lambda: kernels.scan(x=x.kernel, n_threads=2),
    }
    for name, pass_ in passes.items():
        before = bytes_read()
        pass_()
        assert (bytes_read() - before) / whole.nbytes == pytest.approx(1, abs=0.02), name


@pytest.mark.skipif(sys.platform != "linux", reason="Linux says what was read")
@pytest.mark.parametrize(
    ("method", "form"),
    [(method, form) for method in ("predict", "transform", "score") for form in ("C", "csr")],
)
def test_fixed_centroids_meet_a_file_in_one_read(method, form, tmp_path):
    x = numbers("float32", 60_000, 20)
    x = sp.csr_array(x) if form == "csr" else x
    model = gf.KMeans(4, random_state=0).fit(x[:900])
    there, size = in_file(x, tmp_path), x.nbytes if form == "C" else x.data.nbytes + x.indices.nbytes
    getattr(model, method)(in_file(x[:900], tmp_path))  # what is loaded when it is needed
    before = bytes_read()
    found = getattr(model, method)(there)
    assert (bytes_read() - before) / size == pytest.approx(1, abs=0.2)
    np.testing.assert_array_equal(found, getattr(model, method)(x))


def test_the_page_says_how_often_all_models_read():
    named = {fit.split("(")[0] for fit in READS}
    assert named == {
        "PCA", "IncrementalPCA", "TruncatedSVD", "Ridge", "NMF", "MiniBatchNMF", "KMeans", "GaussianMixture",
        "PoissonMixture", "RobustPCA", "DictionaryLearning",
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
