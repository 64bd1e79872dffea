"""What is public, for `gramfold` to give by name; to import it takes as long as scikit-learn does."""

from . import datasets, plot
from .accelerate import accelerate
from .accelerate.twins import from_sklearn
from .coding.bases import OrthoBasis
from .coding.certificate import Certificate, certify
from .coding.coherence import babel_function, coherence_report, mutual_coherence, welch_bound
from .coding.encode import encode
from .coding.sparse_coder import SparseCoder
from .coding.sparse_encode import sparse_encode
from .dictionary.estimator import DictionaryLearning
from .dictionary.minibatch import MiniBatchDictionaryLearning
from .fit.blocks import Blocks, blocks
from .fit.checkpoint import checkpoint
from .fit.config import show_config
from .fit.progress import IterationInfo, progress
from .images import patches, restore
from .io.load import load
from .io.save import save
from .kmeans.estimator import KMeans
from .kmeans.minibatch import MiniBatchKMeans
from .kmeans.seeding import kmeans_plusplus
from .mixture.gaussian import GaussianMixture
from .mixture.poisson import PoissonMixture
from .nmf.estimator import NMF
from .nmf.function import non_negative_factorization
from .nmf.minibatch import MiniBatchNMF
from .pca.estimator import PCA
from .pca.incremental import IncrementalPCA
from .pca.truncated_svd import TruncatedSVD
from .ridge.estimator import Ridge
from .ridge.least_norm import least_norm
from .ridge.path import ridge_path
from .rpca.estimator import RobustPCA
from .rpca.online import OnlineRobustPCA
from .selection.consensus import Consensus, consensus
from .selection.rank import select_rank
from .selection.result import RankSelection
from .skops_types import SKOPS_TYPES

__all__ = [
    "NMF",
    "PCA",
    "SKOPS_TYPES",
    "Blocks",
    "Certificate",
    "Consensus",
    "DictionaryLearning",
    "GaussianMixture",
    "IncrementalPCA",
    "IterationInfo",
    "KMeans",
    "MiniBatchDictionaryLearning",
    "MiniBatchKMeans",
    "MiniBatchNMF",
    "OnlineRobustPCA",
    "OrthoBasis",
    "PoissonMixture",
    "RankSelection",
    "Ridge",
    "RobustPCA",
    "SparseCoder",
    "TruncatedSVD",
    "accelerate",
    "babel_function",
    "blocks",
    "certify",
    "checkpoint",
    "coherence_report",
    "consensus",
    "datasets",
    "encode",
    "from_sklearn",
    "kmeans_plusplus",
    "least_norm",
    "load",
    "mutual_coherence",
    "non_negative_factorization",
    "patches",
    "plot",
    "progress",
    "restore",
    "ridge_path",
    "save",
    "select_rank",
    "show_config",
    "sparse_encode",
    "welch_bound",
]
