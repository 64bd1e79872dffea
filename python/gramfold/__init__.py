"""gramfold: matrix factorisation at the speed of the hardware."""

from importlib.metadata import version

from . import datasets, patches, plot
from .config import show_config
from .encode import encode
from .incremental_pca import IncrementalPCA
from .minibatch_nmf import MiniBatchNMF
from .nmf import NMF, non_negative_factorization
from .pca import PCA
from .progress import IterationInfo, progress
from .rpca import RobustPCA
from .truncated_svd import TruncatedSVD

__version__ = version("gramfold")
__all__ = [
    "NMF",
    "PCA",
    "IncrementalPCA",
    "IterationInfo",
    "MiniBatchNMF",
    "RobustPCA",
    "TruncatedSVD",
    "datasets",
    "encode",
    "non_negative_factorization",
    "patches",
    "plot",
    "progress",
    "show_config",
]
