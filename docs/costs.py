"""How often fits read X and what memory they take: measured while pages are built, for them."""

from pathlib import Path

import numpy as np

import gramfold as gf
from gramfold.cli import sample

FEW, MANY = 4000, (130_000, 95_000)  # rows to count reads of, and memory: less and more than buffers hold
COLUMNS, K = 50, 10
CALLS = {
    "nmf": ['NMF(10, init="random")', "NMF(10)", 'NMF(10, init="random", beta_loss="kullback-leibler")',
            'NMF(10, init="random", beta_loss="kullback-leibler", solver="mu")'],
    "kmeans": ["KMeans(10)", 'KMeans(10, init="k-means||")', 'KMeans(10, init="random", n_init=1)'],
    "mixtures": ['GaussianMixture(10, init_params="random_from_data")',
                 'GaussianMixture(10, init_params="random_from_data", covariance_type="diag")',
                 "GaussianMixture(10)", 'PoissonMixture(10, init_params="random_from_data")'],
    "pca": ["PCA(10)", 'PCA(10, svd_solver="randomized")', "TruncatedSVD(10)"],
    "robust_pca": ["RobustPCA()"],
    "dictionary": ["DictionaryLearning(20)", 'DictionaryLearning(20, fit_algorithm="omp")'],
}  # fmt: skip


def table(calls: list[str]) -> str:
    """Markdown, a line for each call."""
    lines = [
        "| fit | reads of X to start and to end | reads an iteration | bytes a row, beside X |",
        "| --- | --- | --- | --- |",
    ]
    for call in calls:
        model = eval(f"gf.{call}")
        if "random_state" in model.get_params():
            model.set_params(random_state=0)
        reads = sample.passes(model, *data(FEW, call))
        most, less = (sample.memory(model, *data(rows, call)) for rows in MANY)
        each = f"{reads.each:.3g}" if reads.each else "-"
        name = call.replace("|", "\\|")
        lines.append(f"| `{name}` | {reads.start:.3g} | {each} | {(most - less) / (MANY[0] - MANY[1]):.0f} |")
    return "\n".join(lines) + "\n"


def data(rows: int, call: str) -> tuple[np.ndarray, list[np.ndarray]]:
    """Counts, and a target if the model takes one."""
    X = np.round(9 * gf.datasets.make_nmf(rows, COLUMNS, K, noise=0.1, random_state=0)[0]).astype(np.float32)
    noise = np.random.default_rng(0).normal(size=rows)
    return X, [X @ np.ones(COLUMNS) + noise] if call.startswith("Ridge") else []


def write(folder: Path) -> None:
    """A file for each page of a model that is not there."""
    for page, calls in CALLS.items():
        file = folder / f"costs-{page}.md"
        if not file.exists():
            file.write_text(table(calls), encoding="utf-8")
