"""Long calls of every model are interrupted: the program of test_interrupts.py."""

import copy
import os
import signal
import threading
import time
import warnings
from functools import partial

import numpy as np
import scipy.sparse as sp
from saved import assert_same

import gramfold as gf

warnings.simplefilter("ignore")
signal.signal(
    signal.SIGINT, signal.default_int_handler
)  # a shell may start what is in the background without
LONG = {"tol": 0, "max_iter": 10**8}
RANDOM = {"random_state": 0, "n_threads": 2}
rng = np.random.default_rng(0)
SMALL = rng.random((300, 12))
X = rng.random((6000, 120))
TALL = rng.random((150_000, 120))
SPARSE = sp.csr_array(X * (X > 0.8))
HOLES = np.where(X > 0.1, X, np.nan)
D = rng.standard_normal((400, 120))
D /= np.linalg.norm(D, axis=1, keepdims=True)
y = X @ rng.random(120) + rng.random(6000)


def nmf(k=30, **options):
    return gf.NMF(k, **{"init": "random", **LONG, **RANDOM, **options})


def learning(kind):
    return gf.DictionaryLearning(
        60, alpha=0.1, fit_algorithm=kind, transform_n_nonzero_coefs=5, **LONG, **RANDOM
    )


# Estimators whose fit takes long, and what of.
FITS = {
    "NMF": (nmf(), X),
    "NMF, sparse": (nmf(), SPARSE),
    "NMF, small": (nmf(3), SMALL),
    "NMF, mu": (nmf(solver="mu"), X),
    "NMF, KL": (nmf(beta_loss="kullback-leibler"), X),
    "NMF, IS": (nmf(solver="mu", beta_loss="itakura-saito"), X + 0.1),
    "NMF, missing": (nmf(missing="mask"), HOLES),
    "MiniBatchNMF": (gf.MiniBatchNMF(20, init="random", max_no_improvement=None, **LONG, **RANDOM), X),
    "KMeans": (gf.KMeans(50, init="random", n_init=10**6, **RANDOM), X),
    "KMeans, k-means++": (gf.KMeans(2000, n_init=10**6, **RANDOM), X),
    "KMeans, k-means||": (gf.KMeans(500, init="k-means||", n_init=10**6, **RANDOM), X),
    "KMeans, cosine": (gf.KMeans(50, metric="cosine", n_init=10**6, **RANDOM), X),
    "KMeans, sparse": (gf.KMeans(50, n_init=10**6, **RANDOM), SPARSE),
    "MiniBatchKMeans": (gf.MiniBatchKMeans(50, max_no_improvement=None, **LONG, **RANDOM), X),
    **{
        f"GaussianMixture, {kind}": (
            gf.GaussianMixture(8, covariance_type=kind, n_init=10**6, **LONG, **RANDOM), X,
        )
        for kind in ("full", "tied", "diag", "spherical")
    },
    "PoissonMixture": (gf.PoissonMixture(20, n_init=10**6, **LONG, **RANDOM), np.floor(9 * X)),
    "PCA, covariance": (gf.PCA(20, svd_solver="covariance_eigh", n_threads=1), TALL),
    "PCA, randomized": (gf.PCA(20, svd_solver="randomized", random_state=0, n_threads=1), TALL),
    "PCA, missing": (gf.PCA(20, missing="mask"), HOLES),
    "TruncatedSVD": (gf.TruncatedSVD(20, n_iter=10**6, random_state=0, n_threads=1), TALL),
    "IncrementalPCA": (gf.IncrementalPCA(20, batch_size=50), TALL),
    "RobustPCA": (gf.RobustPCA(tol=1e-300, max_iter=10**8), X),
    "RobustPCA, l21": (gf.RobustPCA(penalty="l21", tol=1e-300, max_iter=10**8), X),
    "OnlineRobustPCA": (gf.OnlineRobustPCA(10), TALL),
    **{
        f"DictionaryLearning, {kind}": (learning(kind), X)
        for kind in ("lars", "cd", "omp", "ksvd", "soup_l0", "soup_l1")
    },
    "MiniBatchDictionaryLearning": (
        gf.MiniBatchDictionaryLearning(60, alpha=0.1, max_no_improvement=None, **LONG, **RANDOM), X,
    ),
    **{
        f"Ridge, {solver}": (gf.Ridge(1e-8, solver=solver, tol=1e-300, max_iter=10**8, random_state=0), X)
        for solver in ("cg", "gd", "sgd", "admm", "lsqr", "sparse_cg")
    },
    "Ridge, cholesky": (gf.Ridge(solver="cholesky", n_threads=1), TALL),
}  # fmt: skip
FACTORS = nmf(30, max_iter=2).fit(X)
CENTERS = gf.KMeans(2000, init="random", max_iter=1, **RANDOM).fit(X)
NORMALS = gf.GaussianMixture(30, max_iter=1, **RANDOM).fit(X)
# Other calls.
CALLS = {
    "NMF.transform": lambda: FACTORS.transform(TALL),
    "encode": lambda: gf.encode(TALL, np.abs(D)),
    "encode, signed": lambda: gf.encode(TALL, D, nonneg=False, l2=0.1),
    "KMeans.predict": lambda: CENTERS.predict(TALL),
    "KMeans.transform": lambda: CENTERS.transform(TALL),
    "GaussianMixture.predict": lambda: NORMALS.predict(TALL),
    "kmeans_plusplus": lambda: gf.kmeans_plusplus(TALL, 5000, random_state=0),
    **{
        f"sparse_encode, {name}": partial(gf.sparse_encode, TALL, D, algorithm=name, **given)
        for name, given in {
            "lasso_cd": {"alpha": 0.1}, "lasso_lars": {"alpha": 0.1}, "lars": {"n_nonzero_coefs": 30},
            "omp": {"n_nonzero_coefs": 30}, "ols": {"n_nonzero_coefs": 30},
        }.items()
    },
    "ridge_path": lambda: gf.ridge_path(TALL, TALL[:, :3], alphas=np.logspace(-3, 3, 10_000)),
    "select_rank": lambda: gf.select_rank(gf.NMF(2, tol=0, max_iter=1000), X, range(2, 30)),
    "consensus": lambda: gf.consensus([rng.random((200, 120)) for _ in range(40)]),
}  # fmt: skip


def interrupted(call):
    """Seconds from a signal to its exception; None if the call ended before it."""
    sent = []

    def send():
        sent.append(time.perf_counter())
        os.kill(os.getpid(), signal.SIGINT)

    timer = threading.Timer(AFTER, send)
    timer.start()
    try:
        call()
        timer.cancel()
        timer.join()
        time.sleep(0.01)
    except KeyboardInterrupt:
        return time.perf_counter() - sent[0]
    return None


def short(model, x):
    """A fit of the same model that takes little, to some rows."""
    model = copy.deepcopy(model)
    few = {"max_iter": 3, "n_init": 1, "n_iter": 2, "n_clusters": 5, "tol": 1e-3}
    model.set_params(**{name: value for name, value in few.items() if name in model.get_params()})
    return model.fit(x[:500], *target(model, x[:500]))


def target(model, x):
    return (x @ np.ones(x.shape[1]),) if isinstance(model, gf.Ridge) else ()


AFTER = float(os.environ.get("AFTER", "0.2"))


def main(names):
    for name in names:
        if name in CALLS:
            print(f"{name}: {interrupted(CALLS[name])}", flush=True)
            continue
        model, x = FITS[name]
        expected = short(model, x)
        own = copy.deepcopy(model)
        before = copy.deepcopy(vars(own))
        late = interrupted(lambda own=own, x=x: own.fit(x, *target(own, x)))
        if late is not None:
            assert_same(vars(own), before)
        mine, theirs = (
            {name: value for name, value in vars(each).items() if name != "history_"}
            for each in (short(own, x), expected)
        )
        assert_same(mine, theirs)
        print(f"{name}: {late}", flush=True)


if __name__ == "__main__":
    import sys

    main(sys.argv[1:] or [*FITS, *CALLS])
