"""gramfold: matrix factorisation at the speed of the hardware."""

from importlib.metadata import version

from . import datasets, patches, plot
from .config import show_config
from .encode import encode
from .minibatch_nmf import MiniBatchNMF
from .nmf import NMF, non_negative_factorization
from .pca import PCA
from .progress import IterationInfo, progress
from .rpca import RobustPCA

__version__ = version("gramfold")
__all__ = [
    "NMF",
    "PCA",
    "IterationInfo",
    "MiniBatchNMF",
    "RobustPCA",
    "datasets",
    "encode",
    "non_negative_factorization",
    "patches",
    "plot",
    "progress",
    "show_config",
]
