"""Problems with a planted rank, one for each way of selecting it."""

import numpy as np

import gramfold as gf


def low_rank(n, m, k, seed, noise=1.0):
    rng = np.random.RandomState(seed)
    return rng.standard_normal((n, k)) @ rng.standard_normal((k, m)) + noise * rng.standard_normal((n, m))


def blobs(n, m, k, seed):
    rng = np.random.RandomState(seed)
    centres = rng.uniform(-10, 10, (k, m))
    return centres[rng.randint(k, size=n)] + rng.standard_normal((n, m))


def kinds_of_counts(n, m, k, seed):
    rng = np.random.RandomState(seed)
    rates = rng.gamma(1.0, 4.0, (k, m))
    return rng.poisson(rates[rng.randint(k, size=n)]).astype(float)


def topics(n, m, k, seed):
    rng = np.random.RandomState(seed)
    W, H = rng.gamma(0.5, 1, (n, k)), rng.dirichlet(np.full(m, 0.3), k)
    return rng.poisson(W @ H * 400).astype(float)


def parts(n, m, k, seed):
    return gf.datasets.make_nmf(n, m, k, density=0.4, noise=0.1, random_state=seed)[0]


# name: (data of a seed, model, planted rank, options)
PLANTED = {
    "NMF, bcv": (lambda seed: parts(80, 40, 4, seed), gf.NMF(max_iter=2000), 4, {"method": "bcv"}),
    "NMF, speckled": (lambda seed: parts(30, 24, 3, seed), gf.NMF(max_iter=5000), 3, {}),
    "NMF, KL": (lambda seed: topics(50, 20, 3, seed), gf.NMF(beta_loss=1, max_iter=5000), 3, {}),
    "PCA, bcv": (lambda seed: low_rank(120, 40, 4, seed), gf.PCA(), 4, {}),
    "PCA, bcv, wide": (lambda seed: low_rank(40, 120, 4, seed), gf.PCA(whiten=True), 4, {}),
    "PCA, mle": (lambda seed: low_rank(120, 40, 4, seed), gf.PCA(), 4, {"method": "mle"}),
    "PCA, threshold": (lambda seed: low_rank(120, 40, 4, seed), gf.PCA(), 4, {"method": "gavish_donoho"}),
    "PCA, parallel": (lambda seed: low_rank(120, 40, 4, seed), gf.PCA(), 4, {"method": "parallel"}),
    "PCA, parallel, wide": (lambda seed: low_rank(40, 120, 4, seed), gf.PCA(), 4, {"method": "parallel"}),
    "TruncatedSVD": (lambda seed: low_rank(120, 40, 4, seed), gf.TruncatedSVD(), 4, {}),
    "KMeans": (lambda seed: blobs(200, 6, 4, seed), gf.KMeans(n_init=5), 4, {}),
    "KMeans, CH": (
        lambda seed: blobs(200, 6, 4, seed), gf.KMeans(n_init=5), 4, {"method": "calinski_harabasz"},
    ),
    "KMeans, gap": (lambda seed: blobs(100, 6, 4, seed), gf.KMeans(n_init=3), 4, {"method": "gap"}),
    "MiniBatchKMeans": (lambda seed: blobs(200, 6, 4, seed), gf.MiniBatchKMeans(n_init=5), 4, {}),
    "GaussianMixture": (lambda seed: blobs(300, 3, 3, seed), gf.GaussianMixture(n_init=2), 3, {}),
    "GaussianMixture, ICL": (
        lambda seed: blobs(300, 3, 3, seed), gf.GaussianMixture(n_init=2), 3, {"method": "icl"},
    ),
    "PoissonMixture": (lambda seed: kinds_of_counts(300, 8, 3, seed), gf.PoissonMixture(n_init=2), 3, {}),
}  # fmt: skip
