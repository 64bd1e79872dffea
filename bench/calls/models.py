"""The models: who has them, and how they are judged."""

from dataclasses import dataclass, field
from functools import partial
from typing import Any

from bench.calls import judges
from bench.calls.contest import OURS, Judge, Maker


@dataclass(frozen=True)
class Model:
    """A model: its name, scikit-learn's module if it has it, other peers, and the judges; less is better."""

    name: str
    module: str
    method: str
    judge_fit: Judge
    judge_applied: Judge
    work: Judge | None = None
    others: dict[str, tuple[str, str]] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    seeded: bool = True
    drawn: bool = False
    shared: tuple[str, ...] = ()
    float32_only: tuple[str, ...] = ()
    note: str = ""

    @property
    def title(self) -> str:
        """The name, what is asked for besides the number of components, and what is particular."""
        return " ".join(filter(None, [self.name, *map(str, self.options.values()), self.note]))

    def makers(self, dtype: str, *arguments: Any) -> dict[str, Maker]:
        """Ours, and those of the peers that take this dtype."""
        places = {OURS: ("gramfold", self.name)}
        if self.module:
            places["scikit-learn"] = (f"sklearn.{self.module}", self.name)
        return {
            name: Maker(*place, arguments, tuple(self.options.items()), self.seeded)
            for name, place in (places | self.others).items()
            if dtype == "float32" or name not in self.float32_only
        }


def _gaussian(kind: str) -> Model:
    return Model(
        "GaussianMixture", "mixture", "predict",
        partial(judges.likelihood, kind), partial(judges.chosen, kind),
        judges.full_work if kind == "full" else None, options={"covariance_type": kind}, drawn=True,
    )  # fmt: skip


PEERS = "bench.calls.peers"
SHARED = ("components_",)

_FACTORS = ("decomposition", "transform", judges.factors, judges.factored)
_COMPONENTS = ("decomposition", "transform", judges.components, judges.projected)
_CLUSTERS = ("cluster", "predict", judges.centroids, judges.assigned)
_ATOMS = ("decomposition", "transform", judges.atoms, judges.pursued)

NMF = Model("NMF", *_FACTORS, judges.nmf_work, shared=SHARED)
MINIBATCH_NMF = Model("MiniBatchNMF", *_FACTORS, drawn=True, shared=SHARED)
KMEANS = Model(
    "KMeans", *_CLUSTERS, judges.lloyd_work,
    {"sklearnex": ("sklearnex.cluster", "KMeans"), "faiss": (PEERS, "FaissKMeans"),
     "superkmeans": (PEERS, "SuperKMeans")},
    drawn=True, float32_only=("faiss", "superkmeans"),
)  # fmt: skip
KMEANS_DISTANCES = Model(
    "KMeans", "cluster", "transform", judges.centroids, judges.apart,
    others={"sklearnex": ("sklearnex.cluster", "KMeans")},
)  # fmt: skip
MINIBATCH_KMEANS = Model("MiniBatchKMeans", *_CLUSTERS, drawn=True)
GAUSSIANS = {kind: _gaussian(kind) for kind in ("full", "tied", "diag", "spherical")}
POISSON = Model(
    "PoissonMixture", "", "predict", partial(judges.likelihood, "poisson"), partial(judges.chosen, "poisson"),
    others={"pomegranate": (PEERS, "Pomegranate")}, drawn=True, float32_only=("pomegranate",),
)  # fmt: skip
PCA = Model("PCA", *_COMPONENTS, judges.gram_work, {"sklearnex": ("sklearnex.decomposition", "PCA")})
INCREMENTAL_PCA = Model(
    "IncrementalPCA", *_COMPONENTS, seeded=False,
    others={"sklearnex": ("sklearnex.preview.decomposition", "IncrementalPCA")},
)  # fmt: skip
TRUNCATED_SVD = Model("TruncatedSVD", *_COMPONENTS)
ROBUST_PCA = Model(
    "RobustPCA", "", "", judges.low_rank, judges.low_rank, others={"pyrpca": (PEERS, "Pyrpca")}, seeded=False
)
DICTIONARY = Model("DictionaryLearning", *_ATOMS, drawn=True, shared=SHARED)
MINIBATCH_DICTIONARY = Model("MiniBatchDictionaryLearning", *_ATOMS, drawn=True, shared=SHARED)
SPAMS_DICTIONARY = Model(
    "MiniBatchDictionaryLearning", "", "", judges.atoms, judges.pursued,
    others={OURS: (PEERS, "OurDictionary"), "spams": (PEERS, "SpamsDictionary")}, drawn=True,
    note="beside SPAMS, max_no_improvement=None",
)  # fmt: skip
CODES = Model(
    "sparse_encode", "", "transform", judges.coded, judges.coded, seeded=False,
    others={OURS: (PEERS, "OurCodes"), "scikit-learn": (PEERS, "Codes"), "spams": (PEERS, "SpamsCodes")},
)  # fmt: skip
RIDGE = Model(
    "Ridge", "linear_model", "predict", judges.coefficients, judges.predicted, judges.gram_work,
    {"sklearnex": ("sklearnex.linear_model", "Ridge")},
)  # fmt: skip
