"""Every model as a function from X to a picture of it, for tests of hard numbers: a table."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from entries import CODERS, SOLVERS, atoms, counts, targets

import gramfold as gf

K = 3


@dataclass(frozen=True)
class Model:
    """`picture(x, unit)`, of X and of y in that unit; parameters are in it too.

    Attributes
    ----------
    degree : int
        1 where the picture is of X, 0 where it is of y, or of directions.
    moves : bool
        Whether what is added to all rows is added to the picture.
    rebuilds : bool
        Whether the picture of no more than three kinds of rows is X.
    """

    picture: Callable[[Any, float], Any]
    degree: int = 1
    moves: bool = False
    rebuilds: bool = False


def rebuilt(make, learn="fit", **flags):
    """A model of factors: rows from their codes."""

    def picture(x, unit):
        model = getattr(make(unit), learn)(x)
        return model.inverse_transform(model.transform(x))

    return Model(picture, **flags)


def nearest(make, centers="cluster_centers_", learn="fit", **flags):
    """A model of clusters: to each row the center of its own."""

    def picture(x, unit):
        model = getattr(make(unit), learn)(x)
        return getattr(model, centers)[model.predict(x)]

    return Model(picture, **flags)


def predicted(make, learn="fit"):
    def picture(x, unit):
        return getattr(make(unit**2), learn)(x, y(x)).predict(x)

    return Model(picture, degree=0, moves=True)


def y(x):
    return targets(*x.shape).astype(x.dtype)


def coded(**options):
    def picture(x, unit):
        alpha = {"alpha": options["alpha"] * unit} if "alpha" in options else {}
        return gf.sparse_encode(x, atoms().astype(x.dtype), **options | alpha) @ atoms().astype(x.dtype)

    return Model(picture)


def encoded(x, unit):
    components = 0.1 + counts(K, x.shape[1])
    return gf.encode(x, components, l1=0.1 * unit) @ components


def factors(x, unit):
    W, H, _ = gf.non_negative_factorization(x, n_components=K, alpha_W=1e-3 * unit, random_state=0)
    return W @ H


def completed(**options):
    return Model(lambda x, unit: gf.RobustPCA(tol=1e-5, **options).fit(x).complete())


def tracked(x):
    model = gf.OnlineRobustPCA(K, n_start=10).fit(x)
    return model.inverse_transform(model.transform(x))


def split(x, unit):
    sizes = gf.OrthoBasis("dct", x.shape[1])
    return sizes.synthesize(sizes.encode(x, threshold=0.5 * unit, mode="soft"))


def smoothed(x, unit):
    return gf.restore.denoise(x, atoms(16).astype(x.dtype), (4, 4), sigma=0.5 * unit)


def filled_in(x, unit):
    seen = np.arange(x.size).reshape(x.shape) % 7 > 0
    return gf.restore.inpaint(x, seen, atoms(16).astype(x.dtype), (4, 4), alpha=0.1 * unit)


def shortest(x, unit):
    A = atoms(20)
    return np.array([gf.least_norm(A, row[: len(A)]).x for row in x[:5]])


def on_a_path(x, unit):
    coefs, intercepts = gf.ridge_path(x, y(x), alphas=np.array([0.5, 5.0]) * unit**2)
    return x @ coefs.T + intercepts


def directions(x, unit):
    model = gf.KMeans(K, metric="cosine", random_state=0).fit(x[x.any(axis=1)])
    return model.cluster_centers_[model.labels_]


MODELS = {
    "NMF": rebuilt(lambda unit: gf.NMF(K, random_state=0, max_iter=500), rebuilds=True),
    "NMF, mu": rebuilt(lambda unit: gf.NMF(K, solver="mu", random_state=0)),
    "NMF, penalties": rebuilt(lambda unit: gf.NMF(K, alpha_W=1e-3 * unit, random_state=0)),
    "NMF, KL": rebuilt(lambda unit: gf.NMF(K, beta_loss="kullback-leibler", random_state=0, max_iter=50)),
    "NMF, missing": rebuilt(lambda unit: gf.NMF(K, init="random", missing="mask", random_state=0)),
    "NMF, signed": rebuilt(lambda unit: gf.NMF(K, W_nonneg=False, alpha_W=1e-3 * unit, random_state=0)),
    "MiniBatchNMF.partial_fit": rebuilt(
        lambda unit: gf.MiniBatchNMF(K, init="random", random_state=0), learn="partial_fit"
    ),
    "MiniBatchNMF": rebuilt(lambda unit: gf.MiniBatchNMF(K, batch_size=20, max_iter=5, random_state=0)),
    "non_negative_factorization": Model(factors),
    "encode": Model(encoded),
    "KMeans": nearest(lambda unit: gf.KMeans(K, random_state=0), moves=True, rebuilds=True),
    "KMeans, random": nearest(lambda unit: gf.KMeans(K, init="random", random_state=0), moves=True),
    "KMeans, k-means||": nearest(
        lambda unit: gf.KMeans(K, init="k-means||", random_state=0), moves=True, rebuilds=True
    ),
    "KMeans, ridge": nearest(lambda unit: gf.KMeans(K, ridge=1.0, random_state=0)),
    "KMeans, cosine": Model(directions, degree=0),
    "MiniBatchKMeans.partial_fit": nearest(
        lambda unit: gf.MiniBatchKMeans(K, random_state=0), learn="partial_fit", moves=True
    ),
    "MiniBatchKMeans": nearest(
        lambda unit: gf.MiniBatchKMeans(K, batch_size=30, random_state=0), moves=True
    ),
    "kmeans_plusplus": Model(
        lambda x, unit: gf.kmeans_plusplus(x, K, random_state=0)[0], moves=True
    ),
    **{
        f"GaussianMixture, {kind}": nearest(
            lambda unit, kind=kind: gf.GaussianMixture(
                K, covariance_type=kind, reg_covar=0.1 * unit**2, random_state=0
            ),
            "means_", moves=True, rebuilds=True,
        )
        for kind in ("full", "tied", "diag", "spherical")
    },
    **{
        f"PCA, {solver}": rebuilt(
            lambda unit, solver=solver: gf.PCA(K, svd_solver=solver, random_state=0),
            moves=True, rebuilds=True,
        )
        for solver in ("auto", "covariance_eigh", "randomized", "full")
    },
    "PCA, whitened": rebuilt(lambda unit: gf.PCA(K, whiten=True), moves=True, rebuilds=True),
    "PCA, missing": rebuilt(lambda unit: gf.PCA(K, missing="mask"), moves=True, rebuilds=True),
    "IncrementalPCA": rebuilt(lambda unit: gf.IncrementalPCA(K, batch_size=20), moves=True, rebuilds=True),
    "IncrementalPCA.partial_fit": rebuilt(
        lambda unit: gf.IncrementalPCA(K), learn="partial_fit", moves=True, rebuilds=True
    ),
    "TruncatedSVD": rebuilt(lambda unit: gf.TruncatedSVD(K, random_state=0), rebuilds=True),
    "TruncatedSVD, gram": rebuilt(lambda unit: gf.TruncatedSVD(K, algorithm="gram"), rebuilds=True),
    "RobustPCA": completed(),
    "RobustPCA, rows": completed(penalty="l21"),
    "OnlineRobustPCA": Model(lambda x, unit: tracked(x[::3])),
    **{f"sparse_encode, {name}": coded(algorithm=name, **options) for name, options in CODERS.items()},
    "sparse_encode, positive": coded(algorithm="lasso_cd", alpha=0.3, positive=True),
    **{
        f"DictionaryLearning, {kind}": rebuilt(
            lambda unit, kind=kind: gf.DictionaryLearning(
                K, fit_algorithm=kind, alpha=0.5 * unit ** (1 + (kind == "soup_l0")),
                transform_algorithm="omp", transform_n_nonzero_coefs=2,
                max_iter=4, random_state=0,
            )
        )
        for kind in ("lars", "cd", "omp", "ksvd", "soup_l0", "soup_l1")
    },
    "DictionaryLearning, missing": rebuilt(
        lambda unit: gf.DictionaryLearning(K, missing="mask", alpha=0.5 * unit, max_iter=4, random_state=0)
    ),
    "MiniBatchDictionaryLearning.partial_fit": rebuilt(
        lambda unit: gf.MiniBatchDictionaryLearning(K, alpha=0.5 * unit, random_state=0), learn="partial_fit"
    ),
    "MiniBatchDictionaryLearning": rebuilt(
        lambda unit: gf.MiniBatchDictionaryLearning(
            K, alpha=0.5 * unit, batch_size=20, max_iter=3, random_state=0, transform_algorithm="omp"
        )
    ),
    **{
        f"Ridge, {solver}": predicted(
            lambda unit2, solver=solver: gf.Ridge(50 * unit2, solver=solver, random_state=0, max_iter=50)
        )
        for solver in (*SOLVERS, "svd")
    },
    "Ridge, unpenalised": predicted(lambda unit2: gf.Ridge(0)),
    "Ridge.partial_fit": predicted(lambda unit2: gf.Ridge(0.5 * unit2), learn="partial_fit"),
    "Ridge, positive": predicted(lambda unit2: gf.Ridge(0.5 * unit2, positive=True)),
    "OrthoBasis": Model(split),
    "denoise": Model(smoothed),
    "inpaint": Model(filled_in),
    "least_norm": Model(shortest),
    "ridge_path": Model(on_a_path, degree=0, moves=True),
}  # fmt: skip
