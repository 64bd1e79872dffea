"""Every public function, and every class that is no estimator, with sound arguments."""

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import sklearn.cluster
from hostile_values import COLS, ROWS, atoms, data
from matplotlib.figure import Figure

import gramfold as gf

ROOMS = ("datasets", "patches", "plot", "restore")  # public modules


class Function(NamedTuple):
    """What is called, and what gives it sound arguments."""

    called: Callable[..., Any]
    sound: Callable[[], dict[str, Any]]

    def arguments(self) -> list[str]:
        """What it takes by name."""
        taken = inspect.signature(self.called).parameters.values()
        return [one.name for one in taken if one.kind is not one.VAR_KEYWORD]  # of NMF: swept as its own


def image():
    return np.add.outer(np.arange(8.0), np.arange(9.0) % 4)


def patch_atoms():
    return np.random.default_rng(2).standard_normal((5, 16))


def nmf(k=2, seed=0):
    return gf.NMF(k, init="random", random_state=seed, max_iter=8, tol=1e-2)


@functools.cache
def fitted():
    return [nmf(seed=seed).fit(data()[0]) for seed in range(4)]


@functools.cache
def compared():
    return gf.consensus([one.components_ for one in fitted()], density_threshold=2)


@functools.cache
def ranked():
    return gf.select_rank(gf.PCA(), data()[0], [1, 2], method="gavish_donoho")


def history():
    return {name: np.array([3.0, 2.0, 1.0]) for name in ("objective", "kkt", "seconds")}


def accelerated(names: Any) -> None:
    gf.accelerate(names).restore()


def basis():
    return gf.OrthoBasis("dct", COLS)


def saved():
    gf.save(nmf(), "model.gramfold")
    return {"path": "model.gramfold"}


def x_alone():
    return {"X": data()[0]}


def dictionary_alone():
    return {"dictionary": atoms()}


FUNCTIONS: dict[str, Function] = {
    "accelerate": Function(accelerated, lambda: {"names": "NMF"}),
    "babel_function": Function(gf.babel_function, dictionary_alone),
    "blocks": Function(gf.blocks, lambda: {"source": data()[0]}),
    "certify": Function(
        gf.certify, lambda: {"X": data()[0], "dictionary": atoms(), "codes": np.ones((ROWS, 4)), "alpha": 0.5}
    ),
    "checkpoint": Function(gf.checkpoint, lambda: {"path": "fit.checkpoint"}),
    "coherence_report": Function(gf.coherence_report, dictionary_alone),
    "consensus": Function(gf.consensus, lambda: {"models": fitted(), "density_threshold": 2.0}),
    "datasets.image_patches": Function(gf.datasets.image_patches, lambda: {"n_patches": 3, "stride": 7}),
    "datasets.make_counts": Function(
        gf.datasets.make_counts, lambda: {"n_samples": 9, "n_features": 20, "n_components": 3, "row_nnz": 2}
    ),
    "datasets.make_nmf": Function(
        gf.datasets.make_nmf, lambda: {"n_samples": 9, "n_features": 20, "n_components": 3}
    ),
    "datasets.make_video": Function(
        gf.datasets.make_video, lambda: {"n_frames": 6, "shape": (10, 12), "dead": 0.0}
    ),
    "encode": Function(gf.encode, lambda: {"X": data()[0], "components": atoms()}),
    "from_sklearn": Function(gf.from_sklearn, lambda: {"model": sklearn.cluster.KMeans()}),
    "kmeans_plusplus": Function(gf.kmeans_plusplus, lambda: {"X": data()[0], "n_clusters": 3}),
    "least_norm": Function(gf.least_norm, lambda: {"A": atoms(), "b": np.ones(4)}),
    "load": Function(gf.load, saved),
    "mutual_coherence": Function(gf.mutual_coherence, dictionary_alone),
    "non_negative_factorization": Function(
        gf.non_negative_factorization,
        lambda: {
            "X": data()[0], "W": np.ones((ROWS, 3)), "H": np.ones((3, COLS)), "n_components": 3,
            "init": "custom", "max_iter": 5, "tol": 1e-2,
        },
    ),
    "non_negative_factorization, update_H=False": Function(
        gf.non_negative_factorization,
        lambda: {"X": data()[0], "H": 1 + data()[0][:3], "update_H": False},
    ),
    "patches.average": Function(
        gf.patches.average,
        lambda: {"patches": np.ones((30, 16)), "image_shape": (8, 9), "patch_shape": (4, 4)},
    ),
    "patches.corners": Function(gf.patches.corners, lambda: {"image_shape": (8, 9), "patch_shape": (4, 4)}),
    "patches.extract": Function(gf.patches.extract, lambda: {"images": image(), "patch_shape": (4, 4)}),
    "plot.atoms": Function(
        gf.plot.atoms, lambda: {"components": patch_atoms(), "shape": (4, 4), "ax": Figure().subplots()}
    ),
    "plot.basis_comparison": Function(
        gf.plot.basis_comparison,
        lambda: {"signal": np.arange(32.0), "bases": ["dct"], "axes": Figure().subplots(1, 1)},
    ),
    "plot.convergence": Function(
        gf.plot.convergence, lambda: {"history": history(), "ax": Figure().subplots()}
    ),
    "plot.penalty_contours": Function(
        gf.plot.penalty_contours,
        lambda: {
            "X": np.array([[1.0, 0.5], [0.5, 1.0], [0.0, 1.0]]), "y": np.array([1.0, 2.0, 0.5]),
            "axes": Figure().subplots(1, 2),
        },
    ),
    "restore.denoise": Function(
        gf.restore.denoise,
        lambda: {"image": image(), "dictionary": patch_atoms(), "patch_shape": (4, 4), "sigma": 0.5},
    ),
    "restore.inpaint": Function(
        gf.restore.inpaint,
        lambda: {
            "image": image(), "mask": image() < 9, "dictionary": patch_atoms(), "patch_shape": (4, 4),
            "alpha": 0.5,
        },
    ),
    "ridge_path": Function(gf.ridge_path, lambda: {"X": data()[0], "y": data()[1], "alphas": [0.5, 2.0]}),
    "save": Function(gf.save, lambda: {"model": nmf(), "path": "again.gramfold"}),
    "select_rank": Function(
        gf.select_rank, lambda: {"model": nmf(), "X": data()[0], "ranks": [1, 2], "n_restarts": 1}
    ),
    "select_rank, PCA": Function(
        gf.select_rank, lambda: {"model": gf.PCA(), "X": data()[0], "ranks": [1, 2]}
    ),
    "select_rank, KMeans": Function(
        gf.select_rank,
        lambda: {"model": gf.KMeans(max_iter=3), "X": data()[0], "ranks": [2, 3], "n_restarts": 1},
    ),
    "select_rank, PoissonMixture": Function(
        gf.select_rank,
        lambda: {"model": gf.PoissonMixture(max_iter=3), "X": data()[0], "ranks": [1, 2], "n_restarts": 1},
    ),
    "sparse_encode": Function(gf.sparse_encode, lambda: {"X": data()[0], "dictionary": atoms()}),
    "sparse_encode, omp": Function(
        gf.sparse_encode, lambda: {"X": data()[0], "dictionary": atoms(), "algorithm": "omp"}
    ),
    "sparse_encode, threshold": Function(
        gf.sparse_encode, lambda: {"X": data()[0], "dictionary": atoms(), "algorithm": "threshold"}
    ),
    "sparse_encode, lars": Function(
        gf.sparse_encode, lambda: {"X": data()[0], "dictionary": atoms(), "algorithm": "lars"}
    ),
    "welch_bound": Function(gf.welch_bound, lambda: {"n_components": 9, "n_features": 4}),
    "OrthoBasis": Function(gf.OrthoBasis, lambda: {"name": "dct", "shape": 8}),
    "OrthoBasis.analyze": Function(basis().analyze, x_alone),
    "OrthoBasis.synthesize": Function(basis().synthesize, lambda: {"Z": data()[0]}),
    "OrthoBasis.encode": Function(basis().encode, lambda: {"X": data()[0], "n_nonzero": 2}),
    "OrthoBasis.encode, soft": Function(
        basis().encode, lambda: {"X": data()[0], "threshold": 0.5, "mode": "soft"}
    ),
    "Consensus.plot": Function(lambda ax: compared().plot(ax=ax), lambda: {"ax": Figure().subplots()}),
    "RankSelection.plot": Function(lambda ax: ranked().plot(ax=ax), lambda: {"ax": Figure().subplots()}),
}  # fmt: skip
NONE = {
    "show_config": "takes nothing",
    "datasets.faces": "takes nothing",
    "datasets.times_deaths": "takes nothing",
    "progress": "takes what tqdm takes, and gives it to tqdm",
    "SKOPS_TYPES": "is a list",
    "Blocks": "is made by blocks",
    "OrthoBasis.apply": "takes signals that were checked",
    "Certificate": "is a result",
    "Consensus": "is a result",
    "IterationInfo": "is told to callbacks",
    "RankSelection": "is a result",
}


def public() -> set[str]:
    """The names of everything public that can be called and is no estimator."""
    found = set()
    for name in gf.__all__:
        one = getattr(gf, name)
        if name in ROOMS:
            found |= {f"{name}.{part}" for part in _of_room(one)}
        elif inspect.ismodule(one):
            raise AssertionError(f"{name} is a room that ROOMS does not have")
        elif not hasattr(one, "get_params"):
            found.add(name)
            methods = vars(one).items() if inspect.isclass(one) and name != "Blocks" else ()
            found |= {f"{name}.{m}" for m, f in methods if not m.startswith("_") and inspect.isfunction(f)}
    return found


def _of_room(room: Any) -> list[str]:
    """The functions of a public module."""
    own = [
        name
        for name, one in vars(room).items()
        if inspect.isfunction(one) and one.__module__ == room.__name__
    ]
    return [name for name in getattr(room, "__all__", own) if not name.startswith("_")]


def files(folder: Path) -> dict[str, bytes]:
    """What a folder holds."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
