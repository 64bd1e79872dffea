"""gramfold: matrix factorisation at the speed of the hardware."""

from importlib.metadata import version

from . import datasets, patches, plot
from .bases import OrthoBasis
from .coherence import babel_function, coherence_report, mutual_coherence, welch_bound
from .config import show_config
from .encode import encode
from .least_norm import least_norm
from .minibatch_nmf import MiniBatchNMF
from .nmf import NMF, non_negative_factorization
from .progress import IterationInfo, progress
from .ridge import Ridge
from .ridge_path import ridge_path

__version__ = version("gramfold")
__all__ = [
    "NMF",
    "IterationInfo",
    "MiniBatchNMF",
    "OrthoBasis",
    "Ridge",
    "babel_function",
    "coherence_report",
    "datasets",
    "encode",
    "least_norm",
    "mutual_coherence",
    "non_negative_factorization",
    "patches",
    "plot",
    "progress",
    "ridge_path",
    "show_config",
    "welch_bound",
]
