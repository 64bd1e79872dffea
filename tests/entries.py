"""Every public way by which X reaches a model, with what comes back: a table for tests of all models."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.sparse as sp

import gramfold as gf

ROWS, COLS, K = 60, 9, 3


def counts(rows=ROWS, cols=COLS, seed=0, *, empty_row=True):
    """Small counts of three kinds of rows, with an empty column and, as a rule, an empty row."""
    rng = np.random.default_rng(seed)
    rates = np.zeros((K, cols))
    for kind in range(K):
        rates[kind, kind::K] = 9 + kind
    x = rng.poisson(rates[np.arange(rows) % K] + 0.3).astype(np.float64)
    x[:, cols // 2] = 0
    x[rows // 2] *= not empty_row
    return x


def targets(rows=ROWS, cols=COLS):
    return counts(rows, cols) @ np.linspace(-1, 2, cols) + np.cos(np.arange(rows))


def atoms(cols=COLS):
    d = np.random.default_rng(1).standard_normal((2 * K, cols))
    return d / np.linalg.norm(d, axis=1, keepdims=True)


@dataclass(frozen=True)
class Entry:
    """One way: `run(X)` gives arrays and numbers by name; other parameters of an estimator may follow."""

    run: Callable[..., dict[str, Any]]
    sparse: bool = True
    observed: bool = False  # whether what a sparse X does not store is unknown, not 0
    empty_row: bool = True  # False where an empty row is as near to everything
    estimator: Callable[[], Any] | None = None
    methods: tuple[str, ...] = ()
    learn: str = "fit"
    given: dict[str, Any] = field(default_factory=dict)


def fitted(make, methods=(), sparse=True, learn="fit", observed=False, empty_row=True, **given):
    """An estimator: what it learned, and what each of its methods says of X."""

    def run(x, **parameters):
        model = make()
        model.set_params(**{name: value for name, value in parameters.items() if hasattr(model, name)})
        getattr(model, learn)(x, **{name: value(x) for name, value in given.items()})
        found = {
            name: np.asarray(value) for name, value in vars(model).items()
            if name.endswith("_") and isinstance(value, np.ndarray | float | np.floating)
        }  # fmt: skip
        return found | {method: dense(getattr(model, method)(x)) for method in methods}

    return Entry(run, sparse, observed, empty_row, make, methods, learn, given)


def called(function, sparse=True):
    """A plain function of X."""

    def run(x, **_):
        found = function(x)
        found = found if isinstance(found, tuple) else (found,)
        return {str(i): dense(part) for i, part in enumerate(found)}

    return Entry(run, sparse)


def dense(a):
    return a.toarray() if sp.issparse(a) else np.asarray(a)


def y(x):
    return targets(*x.shape)


def flat_start(x):
    rng = np.random.default_rng(2)
    return 0.1 + rng.random((x.shape[0], K)), 0.1 + rng.random((K, x.shape[1]))


def nmf(**options):
    # One sweep a product: the budget of sweeps counts what an entry costs, which differs between forms.
    defaults = {"init": "custom", "tol": 0, "max_iter": 6, "max_sweeps": 1, "random_state": 0}
    return lambda: gf.NMF(K, **(defaults | options))


def from_flat(make, methods=("transform",)):
    return fitted(make, methods, W=lambda x: flat_start(x)[0], H=lambda x: flat_start(x)[1])


CODERS = {
    "lasso_cd": {"alpha": 0.3}, "lasso_lars": {"alpha": 0.3}, "lars": {"n_nonzero_coefs": 2},
    "omp": {"n_nonzero_coefs": 2}, "ols": {"n_nonzero_coefs": 2}, "threshold": {"alpha": 0.3},
}  # fmt: skip
POSITIVE = ("lasso_cd", "omp", "threshold")
SOLVERS = ("auto", "cholesky", "dual", "cg", "gd", "sgd", "admm", "lsqr", "sparse_cg")
KMEANS = ("predict", "transform", "score", "fit_predict", "fit_transform")
MIXTURE = ("predict", "predict_proba", "score_samples", "score", "aic", "bic", "fit_predict")
LINEAR = ("transform", "fit_transform")
GAUSSIAN = ("score_samples", "score")

ENTRIES = {
    "NMF": from_flat(nmf()),
    "NMF from nndsvda": fitted(nmf(init="nndsvda"), ("transform", "fit_transform")),
    "NMF from random": fitted(nmf(init="random"), ("transform",)),
    "NMF with signed W": from_flat(nmf(W_nonneg=False, alpha_W=0.01)),
    "NMF with signed H": from_flat(nmf(H_nonneg=False, alpha_W=0.01)),
    "NMF with penalties": from_flat(nmf(alpha_W=0.01, l1_ratio=0.5)),
    "NMF, KL": from_flat(nmf(beta_loss="kullback-leibler", max_sweeps=None)),
    "NMF, KL, mu": from_flat(nmf(beta_loss="kullback-leibler", solver="mu", max_sweeps=None)),
    "NMF, mu": from_flat(nmf(solver="mu", max_sweeps=None)),
    "NMF, missing": fitted(nmf(init="random", missing="mask"), ("transform",), sparse=False),
    "MiniBatchNMF, missing": fitted(
        lambda: gf.MiniBatchNMF(K, batch_size=20, max_iter=3, missing="mask", random_state=0),
        ("transform",), sparse=False,
    ),
    "MiniBatchNMF": from_flat(lambda: gf.MiniBatchNMF(K, init="custom", batch_size=20, max_iter=3)),
    "MiniBatchNMF, KL": fitted(
        lambda: gf.MiniBatchNMF(
            K, init="random", batch_size=20, max_iter=3, beta_loss="kullback-leibler", random_state=0
        ),
        ("transform",),
    ),
    "MiniBatchNMF.partial_fit": fitted(
        lambda: gf.MiniBatchNMF(K, init="random", random_state=0), ("transform",), learn="partial_fit"
    ),
    "non_negative_factorization": called(
        lambda x: gf.non_negative_factorization(
            x, H=flat_start(x)[1], n_components=K, init="custom", update_H=False, max_iter=6
        )[0]
    ),
    "encode": called(lambda x: gf.encode(x, flat_start(x)[1])),
    "encode, signed": called(lambda x: gf.encode(x, flat_start(x)[1], nonneg=False, l2=0.1)),
    "KMeans": fitted(lambda: gf.KMeans(K, random_state=0), KMEANS),
    "KMeans, random": fitted(lambda: gf.KMeans(K, init="random", n_init=2, random_state=0), KMEANS),
    "KMeans, k-means||": fitted(lambda: gf.KMeans(K, init="k-means||", random_state=0), KMEANS),
    "KMeans, cosine": fitted(lambda: gf.KMeans(K, metric="cosine", random_state=0), KMEANS, empty_row=False),
    "KMeans, ridge": fitted(lambda: gf.KMeans(K, ridge=1.0, random_state=0), KMEANS),
    "KMeans, many": fitted(
        lambda: gf.KMeans(20, init="k-means++", random_state=0), ("transform", "score")
    ),  # as with Dask "auto" is another start
    "MiniBatchKMeans": fitted(lambda: gf.MiniBatchKMeans(K, batch_size=30, random_state=0), KMEANS),
    "MiniBatchKMeans.partial_fit": fitted(
        lambda: gf.MiniBatchKMeans(K, random_state=0), ("predict", "transform"), learn="partial_fit"
    ),
    "kmeans_plusplus": called(lambda x: gf.kmeans_plusplus(x, K, random_state=0)),
    "PoissonMixture": fitted(lambda: gf.PoissonMixture(K, random_state=0, tol=1e-10), MIXTURE),
    **{
        f"GaussianMixture, {kind}": fitted(
            lambda kind=kind: gf.GaussianMixture(K, covariance_type=kind, reg_covar=0.1, random_state=0),
            MIXTURE, sparse=False,
        )
        for kind in ("full", "tied", "diag", "spherical")
    },
    **{
        f"PCA, {solver}": fitted(
            lambda solver=solver: gf.PCA(K, svd_solver=solver, random_state=0), (*LINEAR, *GAUSSIAN),
            sparse=solver != "full",
        )
        for solver in ("auto", "covariance_eigh", "randomized", "full")
    },
    "PCA, whitened": fitted(lambda: gf.PCA(K, whiten=True), LINEAR),
    "PCA, missing": fitted(lambda: gf.PCA(K, missing="mask"), LINEAR, sparse=False),
    "TruncatedSVD": fitted(lambda: gf.TruncatedSVD(K, random_state=0), LINEAR),
    "TruncatedSVD, gram": fitted(lambda: gf.TruncatedSVD(K, algorithm="gram"), LINEAR),
    "IncrementalPCA": fitted(lambda: gf.IncrementalPCA(K, batch_size=20), (*LINEAR, *GAUSSIAN)),
    "IncrementalPCA.partial_fit": fitted(lambda: gf.IncrementalPCA(K), ("transform",), learn="partial_fit"),
    "RobustPCA": fitted(lambda: gf.RobustPCA(tol=1e-4), observed=True),
    # Codes of rows with few observed entries are not unique in more than one dimension.
    "RobustPCA, rank 1": fitted(lambda: gf.RobustPCA(tol=1e-4, max_rank=1), ("transform",), observed=True),
    "RobustPCA, rows": fitted(lambda: gf.RobustPCA(tol=1e-4, penalty="l21"), observed=True),
    "OnlineRobustPCA": fitted(lambda: gf.OnlineRobustPCA(K), ("transform",), sparse=False),
    **{
        f"sparse_encode, {name}": called(
            lambda x, name=name: gf.sparse_encode(x, atoms(x.shape[1]), algorithm=name, **CODERS[name])
        )
        for name in CODERS
    },
    **{
        f"sparse_encode, {name}, positive": called(
            lambda x, name=name: gf.sparse_encode(
                x, atoms(x.shape[1]), algorithm=name, positive=True, **CODERS[name]
            )
        )
        for name in POSITIVE
    },
    "sparse_encode to an error": called(
        lambda x: gf.sparse_encode(x, atoms(x.shape[1]), algorithm="omp", max_error=1.0)
    ),
    "SparseCoder": called(lambda x: coder(x).transform(x)),
    "certify": called(lambda x: parts(gf.certify(x, atoms(x.shape[1]), codes(x.shape), alpha=0.3))),
    **{
        f"DictionaryLearning, {kind}": fitted(
            lambda kind=kind: gf.DictionaryLearning(
                K, fit_algorithm=kind, transform_algorithm="omp", transform_n_nonzero_coefs=2, max_iter=4,
                random_state=0,
            ),
            ("transform",),
        )
        for kind in ("lars", "cd", "omp", "ksvd", "soup_l0", "soup_l1")
    },
    "DictionaryLearning, missing": fitted(
        lambda: gf.DictionaryLearning(K, missing="mask", max_iter=4, random_state=0),
        ("transform",), sparse=False,
    ),
    "MiniBatchDictionaryLearning": fitted(
        lambda: gf.MiniBatchDictionaryLearning(
            K, batch_size=20, max_iter=3, random_state=0
        ),
        ("transform",),
    ),
    "MiniBatchDictionaryLearning.partial_fit": fitted(
        lambda: gf.MiniBatchDictionaryLearning(K, random_state=0), ("transform",), learn="partial_fit"
    ),
    **{
        f"Ridge, {solver}": fitted(
            lambda solver=solver: gf.Ridge(0.5, solver=solver, random_state=0, tol=1e-9, max_iter=20_000),
            ("predict",), y=y,
        )
        for solver in SOLVERS if solver not in ("sgd", "gd")
    },
    "Ridge, gd": fitted(lambda: gf.Ridge(50.0, solver="gd", tol=1e-3), ("predict",), y=y),
    "Ridge, sgd": fitted(lambda: gf.Ridge(0.5, solver="sgd", tol=1e-2, random_state=0), ("predict",), y=y),
    "Ridge, svd": fitted(lambda: gf.Ridge(0.5, solver="svd"), ("predict",), sparse=False, y=y),
    "Ridge without intercept": fitted(lambda: gf.Ridge(0.5, fit_intercept=False), ("predict",), y=y),
    "Ridge, nearly unpenalised": fitted(lambda: gf.Ridge(1e-6), ("predict",), y=y),
    "Ridge, positive": fitted(lambda: gf.Ridge(0.5, positive=True), ("predict",), y=y),
    "Ridge.partial_fit": fitted(lambda: gf.Ridge(0.5), ("predict",), learn="partial_fit", y=y),
    "ridge_path": called(lambda x: gf.ridge_path(x, y(x), alphas=[0.1, 1.0, 10.0])),
}  # fmt: skip


def codes(shape):
    return sp.csr_array(gf.sparse_encode(counts(*shape), atoms(shape[1]), alpha=0.3))


def coder(x):
    return gf.SparseCoder(atoms(x.shape[1]), transform_algorithm="lasso_cd", transform_alpha=0.3)


def parts(found):
    return found.objective, found.gap, found.kkt


PARTS = ("data", "indices", "indptr", "offsets", "rows")


def state(x):
    """The bytes of an array, or of the parts of a sparse matrix."""
    if not sp.issparse(x):
        return [np.asarray(x).tobytes()]
    parts = [getattr(x, part) for part in PARTS if hasattr(x, part)]
    parts += list(getattr(x, "coords", ())) if x.format == "coo" else []
    if x.format == "dok":
        return [repr(sorted(x.items()))]
    return [part.tobytes() if part.dtype != object else repr(part.tolist()) for part in parts]
