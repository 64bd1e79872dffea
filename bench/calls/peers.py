"""Peers that are no estimators, in scikit-learn's clothes: defaults, one seed."""

from importlib import import_module
from typing import Any

import numpy as np

SPAMS_STEPS, SPAMS_BATCH = 200, 512  # trainDL has no default of its own for how long it learns


class FaissKMeans:
    """faiss.Kmeans, which takes float32 and looks at 256 rows a cluster at most."""

    def __init__(self, n_clusters: int, random_state: int) -> None:
        import faiss

        self.n_clusters, self.random_state, self.Kmeans = n_clusters, random_state, faiss.Kmeans

    def fit(self, X: Any) -> "FaissKMeans":
        """Train, and assign the rows, which the others do as well."""
        self.model = self.Kmeans(X.shape[1], self.n_clusters, seed=self.random_state)
        self.model.train(X)
        self.labels_ = self.predict(X)
        self.cluster_centers_ = self.model.centroids
        return self

    def predict(self, X: Any) -> Any:
        """Give the nearest centroid of each row."""
        return self.model.index.search(X, 1)[1].ravel()


class SuperKMeans:
    """superkmeans.SuperKMeans, which takes float32."""

    def __init__(self, n_clusters: int, random_state: int) -> None:
        import superkmeans

        self.n_clusters, self.random_state, self.make = n_clusters, random_state, superkmeans.SuperKMeans

    def fit(self, X: Any) -> "SuperKMeans":
        """Train, and assign the rows, which the others do as well."""
        self.model = self.make(self.n_clusters, X.shape[1], seed=self.random_state)
        self.cluster_centers_ = self.model.train(X)
        self.labels_ = self.model.assign_training_points(X, self.cluster_centers_)
        return self

    def predict(self, X: Any) -> Any:
        """Give the nearest centroid of each row."""
        return self.model.assign(X, self.cluster_centers_)


class SpamsDictionary:
    """spams.trainDL at the penalty that scikit-learn has by default."""

    def __init__(self, n_components: int, random_state: int) -> None:
        import spams

        self.n_components, self.spams = n_components, spams

    def fit(self, X: Any) -> "SpamsDictionary":
        """Learn atoms; SPAMS draws them by a seed of its own."""
        D = self.spams.trainDL(
            np.asfortranarray(X.T), K=self.n_components, lambda1=1.0, iter=SPAMS_STEPS, batchsize=SPAMS_BATCH,
            verbose=False,
        )  # fmt: skip
        self.components_ = np.ascontiguousarray(D.T)
        return self


class OurDictionary:
    """`MiniBatchDictionaryLearning` that goes on after ten batches without progress, as SPAMS does."""

    def __init__(self, n_components: int, random_state: int) -> None:
        self.n_components, self.random_state = n_components, random_state

    def fit(self, X: Any) -> "OurDictionary":
        """Learn atoms."""
        from gramfold import MiniBatchDictionaryLearning as Model

        model = Model(self.n_components, random_state=self.random_state, max_no_improvement=None).fit(X)
        self.components_ = model.components_
        return self


class Codes:
    """`sparse_encode` of a package; the dictionary is given like targets."""

    package = "sklearn.decomposition"

    def __init__(self) -> None:
        self.encode = import_module(self.package).sparse_encode

    def fit(self, X: Any, dictionary: Any) -> "Codes":
        """Keep the dictionary."""
        self.dictionary = dictionary
        return self

    def transform(self, X: Any) -> Any:
        """Give the codes."""
        return self.encode(X, self.dictionary)


class OurCodes(Codes):
    """gramfold's."""

    package = "gramfold"


class SpamsCodes(Codes):
    """spams.lasso at the penalty of the others; its codes are sparse."""

    package = "spams"

    def __init__(self) -> None:
        self.encode = import_module(self.package).lasso

    def transform(self, X: Any) -> Any:
        """Give the codes."""
        codes = self.encode(np.asfortranarray(X.T), np.asfortranarray(self.dictionary.T), lambda1=1.0, mode=2)
        return codes.T.tocsr()


class Pyrpca:
    """pyrpca's principal component pursuit."""

    def __init__(self) -> None:
        import pyrpca

        self.solve = pyrpca.rpca_pcp_ialm

    def fit(self, X: Any) -> "Pyrpca":
        """Split X."""
        self.low_rank, _ = self.solve(X, 1 / np.sqrt(max(X.shape)), verbose=False)
        return self

    def complete(self) -> Any:
        """Give the part of low rank."""
        return self.low_rank


class Pomegranate:
    """A Poisson mixture of pomegranate, started by its own k-means."""

    def __init__(self, n_components: int, random_state: int) -> None:
        from pomegranate.distributions import Poisson
        from pomegranate.gmm import GeneralMixtureModel

        parts = [Poisson() for _ in range(n_components)]
        self.model = GeneralMixtureModel(parts, random_state=random_state)

    def fit(self, X: Any) -> "Pomegranate":
        """Fit."""
        import torch

        self.model.fit(torch.from_numpy(X))
        self.weights_ = self.model.priors.numpy()
        self.rates_ = np.stack([part.lambdas.numpy() for part in self.model.distributions])
        return self

    def predict(self, X: Any) -> Any:
        """Give the most probable component of each row."""
        import torch

        return self.model.predict(torch.from_numpy(X)).numpy()
