"""gramfold: matrix factorisation at the speed of the hardware."""

from importlib.metadata import version

from . import datasets, patches, plot, restore
from .certificate import Certificate, certify
from .coding import sparse_encode
from .config import show_config
from .dictionary import DictionaryLearning
from .encode import encode
from .minibatch_dictionary import MiniBatchDictionaryLearning
from .minibatch_nmf import MiniBatchNMF
from .nmf import NMF, non_negative_factorization
from .progress import IterationInfo, progress
from .sparse_coder import SparseCoder

__version__ = version("gramfold")
__all__ = [
    "NMF",
    "Certificate",
    "DictionaryLearning",
    "IterationInfo",
    "MiniBatchDictionaryLearning",
    "MiniBatchNMF",
    "SparseCoder",
    "certify",
    "datasets",
    "encode",
    "non_negative_factorization",
    "patches",
    "plot",
    "progress",
    "restore",
    "show_config",
    "sparse_encode",
]
