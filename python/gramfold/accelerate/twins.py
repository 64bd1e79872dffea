"""Which of scikit-learn's names gramfold has, and fitted models of it as scikit-learn's."""

import inspect
from importlib import import_module
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

# Of each public module of scikit-learn the names, and the modules of gramfold that have them.
NAMES = {
    "sklearn.decomposition": {
        "NMF": "nmf.estimator", "non_negative_factorization": "nmf.estimator",
        "MiniBatchNMF": "nmf.minibatch", "PCA": "pca.estimator", "IncrementalPCA": "pca.incremental",
        "TruncatedSVD": "pca.truncated_svd", "DictionaryLearning": "dictionary.estimator",
        "MiniBatchDictionaryLearning": "dictionary.minibatch", "SparseCoder": "coding.sparse_coder",
        "sparse_encode": "coding.sparse_encode",
    },
    "sklearn.cluster": {
        "KMeans": "kmeans.estimator", "MiniBatchKMeans": "kmeans.minibatch",
        "kmeans_plusplus": "kmeans.seeding",
    },
    "sklearn.mixture": {"GaussianMixture": "mixture.gaussian"},
    "sklearn.linear_model": {"Ridge": "ridge.estimator"},
}  # fmt: skip


def ours(module: str, name: str) -> Any:
    """What gramfold has by a name of scikit-learn's."""
    return getattr(import_module(f"gramfold.{NAMES[module][name]}"), name)


def shared_parameters(model: BaseEstimator, twin: type[BaseEstimator]) -> dict[str, Any]:
    """The parameters that both have.

    Raises
    ------
    ValueError
        If one that scikit-learn lacks is not at its default.
    """
    given, defaults = model.get_params(deep=False), inspect.signature(type(model).__init__).parameters
    known = inspect.signature(twin.__init__).parameters
    for name, value in given.items():
        default = defaults[name].default
        if name not in known and name != "n_threads" and value is not default and value != default:
            raise ValueError(f"scikit-learn's {twin.__name__} has no {name}, which is {value!r}")
    return {name: value for name, value in given.items() if name in known}


def as_twin(model: Any, twin: type[BaseEstimator]) -> Any:
    """A model of scikit-learn's class that predicts and transforms as this one, fitted if it is."""
    made = twin(**shared_parameters(model, twin))
    learned = {name: value for name, value in vars(model).items() if name.endswith("_")}
    vars(made).update(learned)
    if hasattr(model, "_sklearn_output_config"):
        made._sklearn_output_config = model._sklearn_output_config
    if twin.__name__.endswith("KMeans") and learned:
        made._n_threads, made._n_features_out = 1, len(model.cluster_centers_)
    if twin.__name__ == "MiniBatchNMF" and learned:
        made._check_params(np.empty((1, model.n_features_in_)))
    return made
