"""What may be in a file: every model with what it learns, and the objects that these and fits are made of."""

import dataclasses
import inspect
from importlib import import_module
from typing import Any

from .kinds import fits

EVERY = {
    "n_features_in_": "int", "feature_names_in_": "strings[m]", "_rows_in": "int | None",
    "_sklearn_output_config": "any",
}  # fmt: skip
ITERATED = {"n_iter_": "int", "converged_": "bool", "history_": "history"}
NMF = {
    "components_": "float[k,m]", "n_components_": "int", "kkt_residual_": "float",
    "reconstruction_err_": "float", **ITERATED,
}  # fmt: skip
KMEANS = {
    "cluster_centers_": "float[k,m]", "labels_": "int[n]", "inertia_": "float", "_n_init": "int", **ITERATED,
}  # fmt: skip
MIXTURE = {
    "weights_": "float[k]", "lower_bound_": "float", "lower_bounds_": "list", **ITERATED,
}  # fmt: skip
SPECTRUM = {
    "components_": "float[k,m]", "singular_values_": "float[k]", "explained_variance_": "float[k]",
    "explained_variance_ratio_": "float[k]", "residuals_": "float[k]", "n_iter_": "int",
}  # fmt: skip
PRINCIPAL = {
    **SPECTRUM, "mean_": "float[m]", "n_components_": "int", "n_samples_": "int", "noise_variance_": "float",
}  # fmt: skip
DICTIONARY = {"components_": "float[k,m]", "_rng": "RandomState", **ITERATED}

# Where a class is, and its attributes by `kinds`.
MODELS: dict[str, tuple[str, dict[str, str]]] = {
    "NMF": ("nmf.estimator", NMF),
    "MiniBatchNMF": ("nmf.minibatch", {**NMF, "n_steps_": "int", "_sums": "FadingSums"}),
    "KMeans": ("kmeans.estimator", {**KMEANS, "objective_": "float"}),
    "MiniBatchKMeans": (
        "kmeans.minibatch",
        {
            **KMEANS, "n_steps_": "int", "_fitted_points": "Given", "_init_size": "int",
            "_started": "any", "_rng": "RandomState", "_tally": "Tally",
        },
    ),
    "PoissonMixture": ("mixture.poisson", {**MIXTURE, "rates_": "float[k,m]"}),
    "GaussianMixture": (
        "mixture.gaussian",
        {
            **MIXTURE, "means_": "float[k,m]", "covariances_": "float", "precisions_": "float",
            "precisions_cholesky_": "float", "_fitted_kind": "str", "truncation_gap_": "float",
        },
    ),
    "PCA": ("pca.estimator", {**PRINCIPAL, "_fit_svd_solver": "str"}),
    "TruncatedSVD": ("pca.truncated_svd", SPECTRUM),
    "IncrementalPCA": (
        "pca.incremental",
        {
            **PRINCIPAL, "batch_size_": "int", "n_samples_seen_": "int", "var_": "float[m]",
            "_coarsest": "dtype", "_factor": "float[a,m]", "_mean": "float[m]", "_most": "int",
            "_squares": "float[m]",
        },
    ),
    "RobustPCA": (
        "rpca.estimator",
        {
            "components_": "float[k,m]", "singular_values_": "float[k]", "rank_": "int",
            "low_rank_": "LowRank", "sparse_": "float[n,m] | sparse[n,m]",
            "dual_": "float[n,m] | sparse[n,m]", "lam_": "float", "objective_": "float",
            "dual_gap_": "float", "_mu": "float", "_unit": "int", **ITERATED,
        },
    ),
    "OnlineRobustPCA": (
        "rpca.online",
        {
            "components_": "float[k,m]", "singular_values_": "float[k]", "low_rank_": "float[n,m]",
            "sparse_": "float[n,m]", "n_samples_seen_": "int", "_track": "Track", "_started_with": "int",
            "_first": "None | float[b,m]",
        },
    ),
    "SparseCoder": ("coding.sparse_coder", {}),
    "DictionaryLearning": (
        "dictionary.estimator",
        {
            **DICTIONARY, "error_": "float[t]", "_codes": "None | sparse[n,k]", "_faulty": "None | bool[k]",
        },
    ),
    "MiniBatchDictionaryLearning": (
        "dictionary.minibatch",
        {**DICTIONARY, "n_steps_": "int", "_order": "int", "_seen": "int", "_sums": "tuple"},
    ),
    "Ridge": (
        "ridge.estimator",
        {
            "coef_": "float[m] | float[t,m]", "intercept_": "float", "duality_gap_": "float",
            "kkt_residual_": "float", "solver_": "str", "_moments": "Seen", **ITERATED,
        },
    ),
}  # fmt: skip

# Where the classes are that models hold: dataclasses and named tuples.
OBJECTS: dict[str, tuple[str, dict[str, str]]] = {
    "FadingSums": ("nmf.batches", {"beta": "float", "first": "float", "second": "float", "rows": "float"}),
    "Given": ("kmeans.base", {"frozen": "float[f,m]", "init": "None | float[k,m]", "mean": "float[m]"}),
    "Tally": ("kmeans.batches", {"counts": "float[k]", "since": "int"}),
    "LowRank": ("rpca.low_rank", {"U": "float[n,k]", "s": "float[k]", "V": "float[m,k]"}),
    "Track": ("rpca.track", {"basis": "float[m,k]", "energies": "float[k,k]", "scale": "float[m]"}),
    "Seen": (
        "ridge.seen",
        {
            "within": "float[f,o]", "within_squares": "float[t]", "means": "float[k,w]",
            "origin": "float[o]", "weight": "float", "centered": "bool", "rounding": "float",
            "units": "Units",
        },
    ),
    "Units": ("ridge.units", {"x": "int", "y": "int", "weight": "int"}),
    "ProgressBar": ("fit.progress", {"tqdm_kwargs": "any"}),
}  # fmt: skip

# Where the classes are that the state of a loop is made of, which only checkpoints have.
STATES = {
    "Extrapolation": "nmf.alternate", "Pair": "nmf.alternate", "Solved": "least_squares.rows",
    "OwnSolved": "least_squares.masked", "Clustering": "kmeans.lloyd", "Progress": "kmeans.batches",
    "Trace": "mixture.em", "Plain": "mixture.em", "Squarem": "mixture.em",
    "GaussianParameters": "mixture.gaussian_parameters", "TruncatedParameters": "mixture.truncated",
    "Sets": "mixture.gaussian_points", "PoissonParameters": "mixture.poisson_model",
    "Numbers": "rpca.numbers", "Steps": "rpca.steps", "Reached": "dictionary.iterate",
    "Learned": "dictionary.iterate", "Factors": "nmf.start",
}  # fmt: skip


def _class_of(module: str, name: str) -> Any:
    return getattr(import_module(f"gramfold.{module}"), name)


def _object_class(name: str) -> Any:
    """The class of an object; None if there is none of this name."""
    if name in STATES:
        return _class_of(STATES[name], name)
    return _class_of(OBJECTS[name][0], name) if name in OBJECTS else None


def is_model(value: Any) -> bool:
    """Whether it is of one of the classes in `MODELS`, and of no other that is derived from it."""
    name = type(value).__name__
    return name in MODELS and _class_of(MODELS[name][0], name) is type(value)


def is_object(value: Any) -> bool:
    """Whether it is of one of the classes in `OBJECTS` or `STATES`."""
    return _object_class(type(value).__name__) is type(value)


def fields_of(value: Any) -> dict[str, Any]:
    """The fields of an object, by name."""
    return {name: getattr(value, name) for name in _kinds_of(type(value))}


def _kinds_of(cls: Any) -> dict[str, str]:
    """The fields of a class of objects, and their kinds."""
    if cls.__name__ in OBJECTS:
        return OBJECTS[cls.__name__][1]
    names = cls._fields if issubclass(cls, tuple) else [field.name for field in dataclasses.fields(cls)]
    return dict.fromkeys(names, "any")


def made_object(name: Any, fields: dict[str, Any]) -> Any:
    """An object of its fields; nothing of its class runs."""
    cls = _object_class(name) if isinstance(name, str) else None
    if cls is None:
        raise ValueError(f"this gramfold has no class {name!r}")
    kinds = _kinds_of(cls)
    _check(name, fields, kinds)
    if lacking := kinds.keys() - fields.keys():
        raise ValueError(f"{name} lacks {', '.join(lacking)}")
    if issubclass(cls, tuple):
        return tuple.__new__(cls, [fields[name] for name in kinds])
    made = object.__new__(cls)
    for field, value in fields.items():
        object.__setattr__(made, field, value)
    return made


def made_model(name: Any, parameters: dict[str, Any], learned: dict[str, Any]) -> Any:
    """A model with what it learned. A parameter that is newer than the file has its default."""
    if not isinstance(name, str) or name not in MODELS:
        raise ValueError(f"this gramfold has no class {name!r}")
    cls = _class_of(MODELS[name][0], name)
    known = inspect.signature(cls).parameters
    for parameter in parameters.keys() - known.keys():
        raise ValueError(f"this gramfold's {name} has no parameter {parameter!r}: install a newer one")
    lacking = [p.name for p in known.values() if p.name not in parameters and p.default is p.empty]
    if lacking:
        raise ValueError(f"{name} lacks its parameter {lacking[0]!r}")
    check_learned(name, learned)
    made = cls(**parameters)
    vars(made).update(learned)
    return made


def check_learned(name: str, learned: dict[str, Any]) -> None:
    """Refuse attributes of a model that it does not have, or that are not what they must be."""
    _check(name, learned, MODELS[name][1] | EVERY, {"m": learned.get("n_features_in_", -1)})


def _check(
    name: str, found: dict[str, Any], kinds: dict[str, str], sizes: dict[str, int] | None = None
) -> None:
    sizes = {} if sizes is None else sizes
    for attribute, value in found.items():
        if attribute not in kinds:
            raise ValueError(f"{name} has {attribute!r}, which is no attribute that this gramfold gives it")
        if not fits(value, kinds[attribute], sizes):
            shape = f" of shape {value.shape}" if hasattr(value, "shape") else ""
            raise ValueError(
                f"{attribute} of {name} must be {kinds[attribute]}, each letter one size in all attributes, "
                f"got {type(value).__name__}{shape}"
            )
