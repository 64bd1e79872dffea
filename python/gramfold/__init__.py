"""gramfold: matrix factorisation at the speed of the hardware."""

from importlib.metadata import version

from . import datasets, patches, plot, restore
from .bases import OrthoBasis
from .certificate import Certificate, certify
from .coding import sparse_encode
from .coherence import babel_function, coherence_report, mutual_coherence, welch_bound
from .config import show_config
from .dictionary import DictionaryLearning
from .encode import encode
from .gaussian_mixture import GaussianMixture
from .incremental_pca import IncrementalPCA
from .kmeans import KMeans
from .least_norm import least_norm
from .minibatch_dictionary import MiniBatchDictionaryLearning
from .minibatch_kmeans import MiniBatchKMeans
from .minibatch_nmf import MiniBatchNMF
from .nmf import NMF, non_negative_factorization
from .online_rpca import OnlineRobustPCA
from .pca import PCA
from .poisson_mixture import PoissonMixture
from .progress import IterationInfo, progress
from .ridge import Ridge
from .ridge_path import ridge_path
from .rpca import RobustPCA
from .seeding import kmeans_plusplus
from .sparse_coder import SparseCoder
from .truncated_svd import TruncatedSVD

__version__ = version("gramfold")
__all__ = [
    "NMF",
    "PCA",
    "Certificate",
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
    "Ridge",
    "RobustPCA",
    "SparseCoder",
    "TruncatedSVD",
    "babel_function",
    "certify",
    "coherence_report",
    "datasets",
    "encode",
    "kmeans_plusplus",
    "least_norm",
    "mutual_coherence",
    "non_negative_factorization",
    "patches",
    "plot",
    "progress",
    "restore",
    "ridge_path",
    "show_config",
    "sparse_encode",
    "welch_bound",
]
