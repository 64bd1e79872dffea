"""Fits on workers are those of the same segments in this process; what they give for rows is lazy."""

import itertools
import pickle

import numpy as np
import pytest
import scipy.sparse as sp
from cluster_cases import check_same, collection, learned, parted, rows

import gramfold as gf
from gramfold.io.partitions import Partitions

dask = pytest.importorskip("dask", reason="dask is of the extra dask")
import dask.array as da  # noqa: E402

MODELS = {
    "NMF": lambda: gf.NMF(3, random_state=0, max_iter=12, tol=0),
    "NMF, mu": lambda: gf.NMF(3, solver="mu", init="random", random_state=0, max_iter=12, tol=0),
    "NMF, KL": lambda: gf.NMF(3, beta_loss="kullback-leibler", random_state=0, max_iter=4, tol=0),
    "KMeans": lambda: gf.KMeans(3, random_state=0, max_iter=12),
    "KMeans, k-means||": lambda: gf.KMeans(12, init="k-means||", random_state=0, max_iter=4),
    "PCA": lambda: gf.PCA(3),
    "TruncatedSVD": lambda: gf.TruncatedSVD(3, random_state=0),
    "GaussianMixture": lambda: gf.GaussianMixture(2, random_state=0, max_iter=6, tol=0),
    "PoissonMixture": lambda: gf.PoissonMixture(2, random_state=0, max_iter=6, tol=0),
    "Ridge": lambda: gf.Ridge(),
    "DictionaryLearning": lambda: gf.DictionaryLearning(3, random_state=0, max_iter=2),
}  # fmt: skip
SPARSE = [name for name in MODELS if name != "GaussianMixture"]
UNEVEN = [0, 2, 2, 130, 131, 290, 290, 600]  # blocks of less rows than components among them, and empty ones
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def uneven(x):
    return [x[a:b] for a, b in itertools.pairwise(UNEVEN)]


def fitted(name, X):
    x = np.rint(X) if name == "PoissonMixture" and isinstance(X, np.ndarray) else X
    model = MODELS[name]()
    return model.fit(x, *((np.arange(600.0) % 7,) if name == "Ridge" else ()))


@pytest.mark.parametrize(
    ("name", "sparse"), [*((name, False) for name in MODELS), *((name, True) for name in SPARSE)]
)
def test_fits_on_workers_have_the_bits_of_the_same_segments_here(client, name, sparse):
    x = np.rint(rows())
    parts = uneven(sp.csr_array(np.where(x > 2, x, 0)) if sparse else x)
    found = fitted(name, collection(parts))
    check_same(learned(found), learned(fitted(name, gf.blocks(parts))))
    local = pickle.loads(pickle.dumps(found))
    assert not any("dask" in type(value).__module__ for value in vars(local).values())


@pytest.mark.parametrize("name", MODELS)
def test_no_partition_comes_to_the_client(name, monkeypatch):
    monkeypatch.setattr(Partitions, "_read", None)
    with dask.config.set(scheduler="synchronous"):
        fitted(name, collection(uneven(np.rint(rows()))))


@pytest.mark.parametrize("kind", ["wide", "wide, mu", "missing", "missing, KL"])
def test_what_passes_over_columns_reads_them_by_the_workers(client, kind, monkeypatch):
    options = {"init": "random", "random_state": 0, "max_iter": 4, "tol": 0}
    if kind.startswith("wide"):
        x, model = rows().T, gf.NMF(3, solver="mu" if "mu" in kind else "cd", **options)
    else:
        x, loss = rows(), "kullback-leibler" if "KL" in kind else "frobenius"
        x[::7, 3] = np.nan
        model = gf.NMF(3, missing="mask", beta_loss=loss, **options)
    parts = parted(np.ascontiguousarray(x), len(x) // 4)
    expected = learned(model.fit(gf.blocks(parts)))
    monkeypatch.setattr(Partitions, "_read", None)
    check_same(learned(model.fit(collection(parts))), expected)


@pytest.mark.parametrize("algorithm", ["cd", "omp"])
def test_codes_that_are_not_kept_are_found_again_where_the_fit_cancels(client, algorithm):
    rng = np.random.default_rng(0)
    x = (rng.random((600, 6)) * (rng.random((600, 6)) < 0.3)) @ rng.random((6, 20))
    model = gf.DictionaryLearning(
        6, alpha=1e-9, fit_algorithm=algorithm, transform_n_nonzero_coefs=6, max_iter=4, random_state=0
    )
    expected = model.fit(gf.blocks(uneven(x))).error_
    assert expected[-1] < 1e-4 * 0.5 * np.sum(x**2)
    found = model.fit(collection(uneven(x))).error_
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("sparse", [False, True])
def test_rows_of_a_batch_are_asked_for_at_once(client, sparse, monkeypatch):
    asked, ask = [], Partitions.rows

    def rows_of(self, index):
        asked.append(len(index))
        return ask(self, index)

    x = np.where(rows() > 1, rows(), 0)
    parts = parted(sp.csr_array(x) if sparse else x, 60)
    options = {"batch_size": 200, "max_iter": 1, "random_state": 0, "dict_init": x[:4]}
    expected = gf.MiniBatchDictionaryLearning(4, **options).fit(gf.blocks(parts))
    monkeypatch.setattr(Partitions, "rows", rows_of)
    found = gf.MiniBatchDictionaryLearning(4, **options).fit(collection(parts))
    assert asked == [200, 200, 200]
    check_same(learned(found), learned(expected))


@pytest.mark.parametrize("init", ["random", "nndsvd", "nndsvda", "nndsvdar"])
@pytest.mark.parametrize("make", [gf.NMF, gf.MiniBatchNMF])
def test_every_start_of_an_nmf_is_that_of_one_process(client, make, init):
    parts = uneven(rows())
    model = make(3, init=init, random_state=0, max_iter=2, tol=0)
    expected = learned(model.fit(gf.blocks(parts)))
    check_same(learned(model.fit(collection(parts))), expected)


@pytest.mark.parametrize("scheduler", [None, "synchronous"])
@pytest.mark.parametrize(
    "make",
    [
        lambda: gf.GaussianMixture(2, init_params="random", random_state=0, max_iter=3, tol=0),
        lambda: gf.PoissonMixture(2, init_params="random", random_state=0, max_iter=3, tol=0),
        lambda: gf.NMF(3, init="random", random_state=0, max_iter=3, tol=0),
        lambda: gf.NMF(3, init="nndsvdar", n_init=2, random_state=0, max_iter=3, tol=0),
        lambda: gf.KMeans(3, init="k-means||", random_state=0, max_iter=3, tol=0),
    ],
)
def test_random_numbers_of_rows_are_those_of_one_process(client, make, scheduler):
    parts = parted(np.rint(rows()), 17)
    with dask.config.set({} if scheduler is None else {"scheduler": scheduler}):
        found = make().fit(collection(parts))
    check_same(learned(found), learned(make().fit(gf.blocks(parts))))


@pytest.mark.parametrize(("k", "start"), [(15, "k-means++"), (16, "k-means||")])
def test_many_clusters_start_by_few_passes_where_dask_runs_them(client, k, start):
    parts, options = parted(rows(), 100), {"random_state": 0, "max_iter": 3}
    found = gf.KMeans(k, **options).fit(collection(parts))
    check_same(learned(found), learned(gf.KMeans(k, init=start, **options).fit(gf.blocks(parts))))
    here = gf.KMeans(k, **options).fit(gf.blocks(parts))
    check_same(learned(here), learned(gf.KMeans(k, init="k-means++", **options).fit(gf.blocks(parts))))


@pytest.mark.parametrize("form", ["frame", "delayed", "sparse", "columns", "unknown", "files"])
def test_every_form_of_rows_gives_the_same_fit(client, form, tmp_path):
    x = rows()
    given = as_form(form, x, tmp_path)
    expected = fitted("NMF", gf.blocks(parted(sp.csr_array(x) if form == "sparse" else x, 100)))
    found = fitted("NMF", given)
    tolerance = 1e-10 if form in ("files", "frame") else 0  # other segments, and columns that lie together
    np.testing.assert_allclose(found.components_, expected.components_, rtol=tolerance)
    if form == "frame":
        assert list(found.feature_names_in_) == [f"c{i}" for i in range(20)]


def as_form(form, x, folder):
    parts = parted(x, 100)
    if form == "frame":
        frames = pytest.importorskip("dask.dataframe", reason="dask.dataframe needs pandas and pyarrow")
        pandas = pytest.importorskip("pandas", reason="pandas is of the extra test")
        return frames.from_pandas(pandas.DataFrame(x, columns=[f"c{i}" for i in range(20)]), chunksize=100)
    if form == "delayed":
        return [dask.delayed(part) for part in parts]
    if form == "sparse":
        sparse = pytest.importorskip("sparse", reason="sparse brings numba: tried where it is installed")
        return da.from_array(x, chunks=(100, 20)).map_blocks(sparse.COO)
    if form == "columns":
        return da.from_array(x, chunks=(100, 7))
    if form == "unknown":
        marked = da.from_array(np.hstack([x, np.ones((600, 1))]), chunks=(100, 21))
        return marked[marked[:, -1] > 0][:, :20]
    h5py = pytest.importorskip("h5py", reason="h5py is of the extra files")
    with h5py.File(folder / "x.h5", "w") as file:
        file.create_dataset("x", data=x, chunks=(50, 20))
    return gf.blocks(folder / "x.h5", memory=8 * 100 * 20 * 8)


@pytest.mark.parametrize("workers", [1, 3])
def test_any_number_of_workers_gives_the_same_bits(workers):
    from distributed import Client, LocalCluster

    parts = parted(np.rint(rows()), 40)
    options = {"n_workers": workers, "threads_per_worker": 1, "dashboard_address": ":0", "processes": False}
    with LocalCluster(**options) as cluster, Client(cluster):
        for name in ("NMF", "KMeans", "PCA", "GaussianMixture"):
            check_same(learned(fitted(name, collection(parts))), learned(fitted(name, gf.blocks(parts))))


@pytest.mark.parametrize(
    ("name", "methods"),
    [
        ("NMF", ["transform"]), ("KMeans", ["predict", "transform"]), ("PCA", ["transform", "score_samples"]),
        ("GaussianMixture", ["predict", "predict_proba", "score_samples"]), ("Ridge", ["predict"]),
        ("DictionaryLearning", ["transform"]),
    ],
)  # fmt: skip
def test_methods_of_rows_are_lazy_with_known_types_and_chunks(client, name, methods):
    x = rows()
    X, model = collection(uneven(x)), fitted(name, x)
    for method in methods:
        found, expected = getattr(model, method)(X), getattr(model, method)(x)
        assert isinstance(found, da.Array)
        assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
        assert found.chunks[0] == X.chunks[0]
        np.testing.assert_allclose(found.compute(), expected, rtol=1e-10, atol=1e-10)
    if hasattr(model, "score"):
        target = (np.arange(600.0),) if name == "Ridge" else ()
        assert model.score(X, *target) == pytest.approx(model.score(x, *target), rel=1e-10)


def test_rows_of_other_arguments_go_to_their_partitions(client):
    x, mask = rows(), np.random.default_rng(1).random((600, 20)) > 0.1
    model = gf.NMF(3, missing="mask", random_state=0, max_iter=5, tol=0).fit(x, mask=mask)
    found = model.transform(collection(uneven(x)), mask=mask)
    np.testing.assert_allclose(found.compute(), model.transform(x, mask=mask), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("most", [0, 1 << 20])
def test_what_tasks_share_lies_in_each_or_is_a_task_of_its_own(client, monkeypatch, most):
    from gramfold.fold.graph import Graph

    found, result = [], Graph.result

    def looked_at(self, *given):
        found.append(sum("-shared-" in key for key in self.tasks))
        return result(self, *given)

    monkeypatch.setattr("gramfold.fold.graph.SHARED", most)
    monkeypatch.setattr(Graph, "result", looked_at)
    parts = parted(np.rint(rows()), 100)
    for name in ("NMF", "KMeans"):
        check_same(learned(fitted(name, collection(parts))), learned(fitted(name, gf.blocks(parts))))
    assert set(found) == ({1} if most == 0 else {0})


@pytest.mark.parametrize("name", ["KMeans", "PCA", "GaussianMixture", "Ridge"])
def test_arguments_that_were_changed_in_place_are_sent_anew(client, name):
    parts, rng = parted(rows(), 100), np.random.default_rng(1)
    X, weights, y = collection(parts).persist(), rng.random(600) + 0.5, rng.random(600)
    model, target = MODELS[name](), (y,) if name == "Ridge" else ()
    for _ in range(2):
        found = learned(model.fit(X, *target, sample_weight=weights))
        check_same(found, learned(model.fit(gf.blocks(parts), *target, sample_weight=weights)))
        weights[:], y[:] = rng.random(600) + 0.5, rng.random(600)


def test_fit_transform_is_the_fit_and_lazy_rows(client):
    x = rows()
    for name in ("NMF", "PCA", "TruncatedSVD"):
        model = MODELS[name]()
        found = model.fit_transform(collection(parted(x, 100)))
        assert isinstance(found, da.Array)
        np.testing.assert_allclose(found.compute(), model.transform(x), rtol=1e-9, atol=1e-10)
