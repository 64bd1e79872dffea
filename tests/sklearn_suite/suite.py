"""Counts how many of scikit-learn's own tests pass with gramfold's classes, and writes that into the README.

``python tests/sklearn_suite/suite.py`` counts for the scikit-learn that is installed.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import sklearn

HERE = Path(__file__).parent
README = HERE.parents[1] / "README.md"
COUNTED = HERE / "counts.json"  # of each version and module: how many of how many passed
VERSION = ".".join(sklearn.__version__.split(".")[:2])
MODULES = {
    "test_nmf": "decomposition", "test_pca": "decomposition", "test_truncated_svd": "decomposition",
    "test_incremental_pca": "decomposition", "test_dict_learning": "decomposition", "test_k_means": "cluster",
    "test_gaussian_mixture": "mixture", "test_ridge": "linear_model",
}  # fmt: skip
ROWS = {
    "`NMF`, ": ["test_nmf"], "`MiniBatchNMF`": ["test_nmf"], "`GaussianMixture`": ["test_gaussian_mixture"],
    "`PCA`": ["test_pca", "test_truncated_svd"], "`IncrementalPCA`": ["test_incremental_pca"],
    "`sparse_encode`": ["test_dict_learning"], "`DictionaryLearning`": ["test_dict_learning"],
    "`KMeans`": ["test_k_means"], "`MiniBatchKMeans`": ["test_k_means"], "`Ridge`": ["test_ridge"],
}  # fmt: skip
SECONDS = 300


def outcomes(module, **environment):
    """The name of each test of a module, how it ended, and why, from an interpreter of its own."""
    tests = f"sklearn.{MODULES[module]}.tests.{module}"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "outcomes"
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-c", os.devnull, "--rootdir", folder, "--tb=line",
             "-p", "no:cacheprovider", "-p", "gramfold_in_sklearn", "--pyargs", tests],
            env={name: value for name, value in os.environ.items() if name != "PYTEST_ADDOPTS"}
            | environment
            | {"GRAMFOLD_OUTCOMES": str(path), "PYTHONPATH": os.pathsep.join([str(HERE), *sys.path])},
            cwd=folder, capture_output=True, text=True, timeout=SECONDS, check=False,
        )  # fmt: skip
        assert done.returncode in (0, 1), done.stdout + done.stderr
        return [json.loads(line) for line in path.read_text().splitlines()]


def counted(found):
    """What `outcomes` gave, as the README says it."""
    return f"{sum(outcome == 'passed' for _, outcome, _ in found)} of {len(found)}"


def counts():
    """What was counted, the oldest version first."""
    return json.loads(COUNTED.read_text())


def with_column(readme):
    """The README with a last column of what the newest version's tests give, in its table of models."""
    newest = list(counts().values())[-1]
    lines, inside = readme.splitlines(), False
    for i, line in enumerate(lines):
        inside = line.startswith("| model | what it does |") or (inside and line.startswith("|"))
        if not inside:
            continue
        cells = line.strip("|").replace(r"\|", "\0").split("|")[:3]
        if line.startswith("| model |"):
            last = " its own tests, passed "
        elif line.startswith("|---"):
            last = "---"
        else:
            modules = next((found for name, found in ROWS.items() if cells[0].startswith(f" {name}")), [])
            told = (f"`{module}`: {newest[module]}" for module in modules)
            last = f" {'; '.join(told) or '-'} "
        lines[i] = f"|{'|'.join([*cells, last])}|".replace("\0", r"\|")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    now = {VERSION: {module: counted(outcomes(module)) for module in MODULES}}
    everything = sorted((counts() | now).items(), key=lambda item: [int(part) for part in item[0].split(".")])
    COUNTED.write_text(json.dumps(dict(everything), indent=1) + "\n")
    README.write_text(with_column(README.read_text()))
