"""What has a row for each row of X stays with the workers; arguments of rows go there once a fit."""

import numpy as np
import pytest

import gramfold as gf

dask = pytest.importorskip("dask", reason="dask is of the extra dask")
import dask.array as da  # noqa: E402

ROWS = 80_000
NUMBERS = 8 * ROWS  # bytes of one number a row
WEIGHTS = np.random.default_rng(1).random(ROWS) + 0.5
TARGETS = np.random.default_rng(2).random(ROWS)
RANDOM = {"random_state": 0, "tol": 0}
FIRST = {"init": "random", **RANDOM}
DIAG = {"covariance_type": "diag", **RANDOM}
WEIGHTED = {"sample_weight": WEIGHTS}
# What a fit may move to the client and back in all, in numbers a row; the model; more arguments of the fit.
FITS = {
    "KMeans": (2, lambda: gf.KMeans(4, n_init=1, max_iter=20, **FIRST), {}),
    "KMeans, bounds": (3, lambda: gf.KMeans(150, n_init=1, max_iter=6, **FIRST), {}),
    "KMeans, weights": (3, lambda: gf.KMeans(4, n_init=1, max_iter=20, **FIRST), WEIGHTED),
    "KMeans, k-means++": (3, lambda: gf.KMeans(9, max_iter=3, **RANDOM), {}),
    "KMeans, k-means||": (3, lambda: gf.KMeans(9, init="k-means||", max_iter=3, **RANDOM), {}),
    "GaussianMixture": (5, lambda: gf.GaussianMixture(2, max_iter=12, **DIAG), WEIGHTED),
    "GaussianMixture, random": (
        1, lambda: gf.GaussianMixture(2, init_params="random", max_iter=9, **DIAG), {},
    ),
    "PoissonMixture": (
        9, lambda: gf.PoissonMixture(2, max_iter=12, **RANDOM), {"exposure": TARGETS + 1, **WEIGHTED},
    ),
    "Ridge": (3, lambda: gf.Ridge(0.1, solver="lsqr"), {"y": TARGETS, **WEIGHTED}),
    "PCA": (2, lambda: gf.PCA(2), WEIGHTED),
    "NMF": (4, lambda: gf.NMF(2, max_iter=12, **FIRST), {}),
    "NMF, mu": (6, lambda: gf.NMF(2, solver="mu", max_iter=12, **FIRST), {}),
    "NMF, mu, KL": (4, lambda: gf.NMF(2, solver="mu", beta_loss=1, max_iter=12, alpha_W=1e-3, **FIRST), {}),
    "NMF, weights": (9, lambda: gf.NMF(2, max_iter=12, **FIRST), WEIGHTED),
    "NMF, nndsvd": (5, lambda: gf.NMF(6, max_iter=4, **RANDOM), {}),
    "NMF, nndsvdar": (5, lambda: gf.NMF(6, init="nndsvdar", max_iter=4, **RANDOM), {}),
    "NMF, nndsvd, weights": (4, lambda: gf.NMF(2, max_iter=4, **RANDOM), WEIGHTED),
    "DictionaryLearning": (2, lambda: gf.DictionaryLearning(12, alpha=2.0, max_iter=4, random_state=0), {}),
    "DictionaryLearning, omp": (
        2, lambda: gf.DictionaryLearning(40, fit_algorithm="omp", max_iter=4, random_state=0), {},
    ),
    "DictionaryLearning, close": (
        2, lambda: gf.DictionaryLearning(20, alpha=1e-6, max_iter=3, random_state=0), {},
    ),
    "IncrementalPCA": (1, lambda: gf.IncrementalPCA(3), {}),
    "RobustPCA": (50, lambda: gf.RobustPCA(max_iter=12), {}),
}  # fmt: skip


@pytest.fixture
def moved(monkeypatch):
    """Bytes that go to the workers in graphs and by themselves, and that come from them."""
    from distributed import Client
    from distributed.protocol import pickle

    from gramfold.fold.graph import Graph

    found, result, scatter, gather = [], Graph.result, Client.scatter, Client.gather

    def of_graph(self, *given):
        found.append(sum(len(pickle.dumps(task)) for task in self.tasks.values()))
        return result(self, *given)

    def sent(self, data, **options):
        found.append(len(pickle.dumps(data)))
        return scatter(self, data, **options)

    def received(self, futures, *rest, **options):
        got = gather(self, futures, *rest, **options)
        found.append(len(pickle.dumps(got)))
        return got

    monkeypatch.setattr(Graph, "result", of_graph)
    monkeypatch.setattr(Client, "scatter", sent)
    monkeypatch.setattr(Client, "gather", received)
    return found


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("name", FITS)
def test_what_rows_have_of_their_own_moves_a_few_times_a_fit(client, moved, name):
    X = da.random.default_rng(0).poisson(3.0, (ROWS, 20), chunks=(ROWS // 8, 20)).astype(float).persist()
    most, make, more = FITS[name]
    make().fit(X, **more)
    print(name, sum(moved) / NUMBERS)
    assert sum(moved) < most * NUMBERS
