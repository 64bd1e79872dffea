"""A plugin of pytest: gramfold's classes and functions stand where scikit-learn's own tests look for theirs.

Run it with GRAMFOLD_OUTCOMES set to a file, which gets a line a test: its name, how it ended, and why. With
GRAMFOLD_ACCELERATE set, `gramfold.accelerate` puts them there.
"""

import importlib
import json
import os
from pathlib import Path

import gramfold as gf

# The public module, the private one that defines them, and what both hold.
TAKEN = {
    ("sklearn.decomposition", "_nmf"): ("NMF", "MiniBatchNMF", "non_negative_factorization"),
    ("sklearn.decomposition", "_pca"): ("PCA",),
    ("sklearn.decomposition", "_incremental_pca"): ("IncrementalPCA",),
    ("sklearn.decomposition", "_truncated_svd"): ("TruncatedSVD",),
    ("sklearn.decomposition", "_dict_learning"): (
        "DictionaryLearning", "MiniBatchDictionaryLearning", "SparseCoder", "sparse_encode",
    ),
    ("sklearn.cluster", "_kmeans"): ("KMeans", "MiniBatchKMeans", "kmeans_plusplus"),
    ("sklearn.mixture", "_gaussian_mixture"): ("GaussianMixture",),
    ("sklearn.linear_model", "_ridge"): ("Ridge",),
}  # fmt: skip
NOT_RIDGE = {"RidgeCV", "RidgeClassifier", "RidgeClassifierCV"}

if os.environ.get("GRAMFOLD_ACCELERATE"):
    gf.accelerate()
else:
    for (public, private), names in TAKEN.items():
        for module in (public, f"{public}.{private}"):
            for name in names:
                setattr(importlib.import_module(module), name, getattr(gf, name))


def pytest_collection_modifyitems(items):
    """Of the tests of ridge regression, take those of `Ridge` alone."""
    items[:] = [item for item in items if _is_ours(item)]


def _is_ours(item):
    names = set(item.function.__code__.co_names)
    ridge = item.module.__name__.endswith("test_ridge")
    return not ridge or ("Ridge" in names and not names & NOT_RIDGE)


def pytest_runtest_logreport(report):
    """Note what passed and what failed; what scikit-learn itself skips or expects to fail does not count."""
    if report.skipped or (report.passed and report.when != "call"):
        return
    name = report.nodeid.rpartition("::")[2]
    crash = getattr(report.longrepr, "reprcrash", None)
    why = "" if report.passed else getattr(crash, "message", str(report.longrepr))
    with Path(os.environ["GRAMFOLD_OUTCOMES"]).open("a") as file:
        file.write(json.dumps([name, report.outcome, why]) + "\n")
