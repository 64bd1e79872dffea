"""The number of components of a mixture: information criteria.

Schwarz (1978), Estimating the dimension of a model (BIC). Akaike (1974), A new look at the statistical model
identification (AIC). Biernacki, Celeux & Govaert (2000), Assessing a mixture model for clustering with the
integrated completed likelihood (ICL).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from .fits import pieces, restarted
from .found import Found
from .rule import inner


def select(model: Any, X: Any, ranks: Sequence[int], seeds: Sequence[int], method: str) -> Found:
    """Fit each number of components from each seed, and compare the most likely of each."""
    found = restarted(model, X, ranks, seeds, criteria)
    records, models, scores = [], {}, []
    for j, rank in enumerate(ranks):
        some = found[j * len(seeds) : (j + 1) * len(seeds)]
        order = sorted(range(len(seeds)), key=lambda i: -some[i][1]["log_likelihood"])
        models[rank] = [some[i][0] for i in order]
        records += [{"rank": rank, "restart": i, **said} for i, (_, said) in enumerate(some)]
        scores.append(some[order[0]][1][method])
    values = np.array(scores)
    return Found(records, method, values, None, inner(ranks, int(np.argmin(values)), 1), models)


def criteria(model: Any, X: Any) -> dict[str, Any]:
    """The log-likelihood of X, and what it comes to with a price on parameters; lower is better."""
    likelihood = float(np.sum(model.score_samples(X), dtype=np.float64))
    free, n = model._n_parameters(), X.shape[0]
    entropy = 0.0
    for rows in pieces(X, len(model.weights_)):
        share = model.predict_proba(rows).astype(np.float64)
        entropy -= float(np.sum(share * np.log(np.where(share > 0, share, 1))))
    bic = -2 * likelihood + free * float(np.log(n))
    return {
        "log_likelihood": likelihood, "bic": bic, "aic": -2 * likelihood + 2 * free, "icl": bic + 2 * entropy,
        "converged": bool(model.converged_),
    }  # fmt: skip
