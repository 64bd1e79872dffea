"""The inputs, each made once per run and always the same for the same environment."""

import re
import sysconfig
from collections.abc import Iterator
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer

TRIPLE_QUOTED = re.compile(r'"""(.{100,}?)"""', re.DOTALL)
TEXT_SUFFIXES = {".py", ".rst", ".md", ".txt"}
LARGEST_FILE = 1_000_000  # bytes; larger ones are tables, not text


@lru_cache(maxsize=1)
def planted(n: int, m: int, k: int) -> NDArray[np.float64]:
    """Rank 2 k, half of the factors 0, noise a tenth of the signal.

    With rank k, 100 iterations of scikit-learn come so close to the limit (2e-5 to 2e-9 of the
    objective) that in float32 rounding decides who reaches it. With 2 k they are still descending.
    """
    from gramfold.datasets import make_nmf

    X, _, _ = make_nmf(n, m, 2 * k, density=0.5, noise=0.1, random_state=0)
    return X


@cache
def patches() -> NDArray[np.float64]:
    """100,000 x 256: 16 x 16 patches of ten photographs."""
    from gramfold.datasets import image_patches

    return image_patches((16, 16), n_patches=100_000, dtype=np.float64, random_state=0)


@lru_cache(maxsize=1)
def blobs(n: int, d: int, k: int = 200, spread: float = 1.0) -> NDArray[np.float32]:
    """Rows around k centres; at a spread of 1 clusters overlap: neither noise nor islands."""
    rng = np.random.default_rng(0)
    centers = spread * rng.standard_normal((k, d))
    X = rng.standard_normal((n, d), dtype=np.float32)
    X += centers[rng.integers(k, size=n)]
    return X


def decaying(n: int, m: int, dtype: str) -> NDArray[Any]:
    """30 directions (fewer where m is less) of variance falling as 1 / i above noise, and a mean."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, m), dtype=np.float32)
    k = min(30, m)
    basis = np.linalg.qr(rng.standard_normal((m, k)))[0].astype(np.float32)
    lengths = 20 / np.sqrt(np.arange(1, k + 1, dtype=np.float32))
    X += (rng.standard_normal((n, k), dtype=np.float32) * lengths) @ basis.T
    return (X + 1).astype(dtype)


@cache
def zipf() -> sparse.csr_matrix:
    """500,000 x 15,000 counts, 7 entries a row, columns drawn by a power law."""
    from gramfold.datasets import make_counts

    X, _, _ = make_counts(500_000, 15_000, 20, row_nnz=7, random_state=0)
    return sparse.csr_matrix(X)


@cache
def corpus_counts() -> sparse.csr_matrix:
    """Word counts of the documentation installed in this environment, in a fixed random order."""
    documents = list(_documents(Path(sysconfig.get_paths()["purelib"])))
    vectorizer = CountVectorizer(stop_words="english", min_df=5, max_df=0.5, token_pattern=r"[A-Za-z]{3,}")
    X = sparse.csr_matrix(vectorizer.fit_transform(documents), dtype=np.float64)
    X = X[np.diff(X.indptr) > 0]
    return X[np.random.default_rng(0).permutation(X.shape[0])]


@cache
def corpus_tfidf() -> sparse.csr_matrix:
    """The same documents by tf-idf, rows of norm 1."""
    weighting = TfidfTransformer(sublinear_tf=True)
    return sparse.csr_matrix(weighting.fit_transform(corpus_counts()))


def _documents(root: Path) -> Iterator[str]:
    """Every long triple-quoted string of a .py file, and every text file as a whole."""
    for path in sorted(root.rglob("*")):
        if path.suffix not in TEXT_SUFFIXES and path.name != "METADATA":
            continue
        if not path.is_file() or path.stat().st_size > LARGEST_FILE:
            continue
        text = path.read_text(encoding="utf-8", errors="ignore")
        if path.suffix == ".py":
            yield from TRIPLE_QUOTED.findall(text)
        else:
            yield text
