"""Planted ranks are found, and where none stands out, that is said."""

import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from rank_cases import PLANTED, blobs, low_rank, parts, topics
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

import gramfold as gf


def select(model, X, ranks, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return gf.select_rank(model, X, ranks, **{"random_state": 0, "n_restarts": 2, **options})


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("name", PLANTED)
def test_planted_ranks_are_found(name, seed):
    make, model, planted, options = PLANTED[name]
    found = select(model, make(seed), range(2, 7), random_state=seed, **options)
    assert (found.best_rank_, found.reason) == (planted, "")
    assert found.models_[planted]
    assert planted == len(getattr(found.models_[planted][0], found_in(found.models_[planted][0])))


def found_in(model):
    return next(name for name in ("components_", "cluster_centers_", "weights_") if hasattr(model, name))


@pytest.mark.parametrize("name", ["NMF, bcv", "PCA, bcv", "KMeans", "PoissonMixture"])
def test_results_depend_on_the_seed_alone(name):
    make, model, _, options = PLANTED[name]
    X = make(0)
    one, two = (
        select(clone(model).set_params(n_threads=n), X, [2, 4, 5], **options, n_restarts=2) for n in (1, 2)
    )
    np.testing.assert_array_equal(one.table, two.table)
    assert one.best_rank_ == two.best_rank_


FORMS = {
    "CSR": sp.csr_array,
    "list": lambda X: X.tolist(),
    "blocks": lambda X: gf.blocks([X[:31], X[31:]]),
    "CSR blocks": lambda X: gf.blocks([sp.csr_array(X[:31]), sp.csr_array(X[31:])]),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "name", ["NMF, bcv", "NMF, KL", "PCA, bcv", "PCA, parallel", "KMeans", "PoissonMixture"]
)
def test_forms_of_x_make_no_difference_but_for_rounding(name, form):
    make, model, planted, options = PLANTED[name]
    X, ranks = make(1), [planted - 1, planted, planted + 1]
    expected = select(model, X, ranks, **options)
    found = select(model, FORMS[form](X), ranks, **options)
    assert found.best_rank_ == expected.best_rank_ == planted
    np.testing.assert_allclose(found.scores, expected.scores, rtol=1e-2)


@pytest.mark.parametrize("name", ["NMF, bcv", "PCA, bcv", "KMeans", "PoissonMixture"])
def test_x_may_lie_in_a_file(name, tmp_path):
    make, model, planted, options = PLANTED[name]
    X, ranks = make(1), [planted - 1, planted, planted + 1]
    np.save(tmp_path / "x.npy", X)
    expected, found = (select(model, x, ranks, **options) for x in (X, tmp_path / "x.npy"))
    np.testing.assert_array_equal(found.table, expected.table)


@pytest.mark.parametrize(
    "name", ["NMF, bcv", "KMeans", "MiniBatchKMeans", "GaussianMixture", "PoissonMixture"]
)
def test_fits_side_by_side_are_those_in_turn(name, monkeypatch):
    from gramfold.selection import quarters

    monkeypatch.setattr(quarters, "SHARE", 0)
    make, model, planted, options = PLANTED[name]
    X, ranks, calls = make(1), [planted - 1, planted, planted + 1], []
    followed = clone(model).set_params(callback=lambda info: calls.append(info.iteration))
    beside, in_turn = (
        select(one, gf.blocks(Sliced(X), memory=2**14), ranks, **options) for one in (model, followed)
    )
    assert calls
    np.testing.assert_array_equal(beside.table, in_turn.table)


def test_clusterings_side_by_side_share_their_reads():
    rows = Sliced(blobs(400, 6, 4, 0))
    read = []
    for ranks, restarts in (([4, 5], 1), ([2, 3, 4, 5], 4)):
        rows.read = 0
        select(gf.KMeans(max_iter=5, tol=0, init="random", n_init=1), gf.blocks(rows, memory=2**15), ranks,
               n_restarts=restarts)  # fmt: skip
        read.append(rows.read / 400)
    assert read[1] < 2 * read[0]  # sixteen fits, and two


class Sliced:
    """Rows that are read from somewhere, and how many were."""

    def __init__(self, rows):
        self.rows, self.shape, self.dtype, self.read = rows, rows.shape, rows.dtype, 0

    def __getitem__(self, at):
        found = self.rows[at]
        self.read += len(found)
        return found


def test_counts_are_read_as_they_are():
    X = np.minimum(topics(80, 40, 4, 0), 255)
    expected, found = (
        select(gf.NMF(max_iter=300), x, [2, 3], method="bcv")
        for x in (X.astype(np.float32), X.astype(np.uint8))
    )
    np.testing.assert_array_equal(found.table, expected.table)


def test_quarters_that_do_not_fit_are_read_from_the_file(tmp_path, monkeypatch):
    from gramfold.selection import quarters

    X = parts(80, 40, 4, 0)
    np.save(tmp_path / "x.npy", X)
    expected = select(gf.NMF(max_iter=2000), X, [3, 4, 5], method="bcv")
    monkeypatch.setattr(quarters, "SHARE", 0)
    found = select(gf.NMF(max_iter=2000), tmp_path / "x.npy", [3, 4, 5], method="bcv")
    np.testing.assert_array_equal(found.table, expected.table)


@pytest.mark.parametrize("rank", [2, 3])
def test_missing_entries_are_left_out(rank):
    X = parts(40, 24, rank, 0)
    X[np.random.RandomState(1).random_sample(X.shape) < 0.1] = np.nan
    assert select(gf.NMF(missing="mask", max_iter=3000), X, range(1, 5)).best_rank_ == rank


def test_predictions_from_little_stay_in_the_range_of_what_was_seen():
    found = select(gf.NMF(max_iter=300), parts(20, 12, 3, 0), [6, 8], method="speckled")
    assert (found.scores < 5).all()


def test_a_rank_at_an_end_does_not_stand_out():
    X = low_rank(60, 30, 5, 0)
    above = select(gf.PCA(), X, range(1, 4))
    assert above.best_rank_ is None
    assert "try larger ones" in above.reason
    largest = select(gf.PCA(), low_rank(24, 12, 8, 0, noise=0.1), range(1, 7))
    assert "6: the method has none beyond, try another" in largest.reason
    below = select(gf.PCA(), X, range(5, 8))
    assert below.best_rank_ is None
    assert "try smaller ones" in below.reason
    assert above.models_ == below.models_ == {}


def test_noise_has_no_rank():
    X = np.random.RandomState(0).standard_normal((100, 40))
    assert "better than the column means" in select(gf.PCA(), X, range(1, 6)).reason
    assert "better than 0" in select(gf.TruncatedSVD(), X, range(1, 6)).reason
    for method in ("gavish_donoho", "parallel"):
        assert "no component stands out" in select(gf.PCA(), X, range(1, 6), method=method).reason
    assert select(gf.GaussianMixture(), X[:, :2], range(1, 4)).best_rank_ == 1
    assert "the silhouette is at most" in select(gf.KMeans(), X, range(2, 6)).reason
    assert select(gf.KMeans(), X, range(1, 6), method="gap").best_rank_ == 1


def test_an_estimate_that_was_not_tried_is_named():
    found = select(gf.PCA(), low_rank(60, 30, 5, 0), [2, 3, 8], method="parallel")
    assert found.best_rank_ is None
    assert found.reason == "parallel says 5, which is not among ranks"


def test_tables_have_a_record_for_each_rank_and_restart():
    X = blobs(100, 4, 3, 0)
    found = select(gf.KMeans(), X, [4, 2, 3], n_restarts=3)
    assert found.table["rank"].tolist() == [2, 2, 2, 3, 3, 3, 4, 4, 4]
    assert found.table["restart"].tolist() == [0, 1, 2] * 3
    models = found.models_[3]
    assert [model.inertia_ for model in models] == sorted(model.inertia_ for model in models)
    np.testing.assert_array_equal(sorted(found.table["inertia"][3:6]), [model.inertia_ for model in models])


def test_criteria_are_those_of_scikit_learn():
    from sklearn.metrics import calinski_harabasz_score

    X = blobs(100, 4, 3, 0)
    found = select(gf.KMeans(), X, [2, 3], n_restarts=1)
    labels = found.models_[3][0].labels_
    np.testing.assert_allclose(found.table["calinski_harabasz"][1], calinski_harabasz_score(X, labels))
    mixture = select(gf.GaussianMixture(), X, [2, 3], n_restarts=1)
    model = mixture.models_[3][0].to_sklearn()
    np.testing.assert_allclose(mixture.table["bic"][1], model.bic(X))
    np.testing.assert_allclose(mixture.table["aic"][1], model.aic(X))
    share = model.predict_proba(X)
    entropy = -np.sum(share * np.log(np.maximum(share, 1e-300)))
    np.testing.assert_allclose(mixture.table["icl"][1], model.bic(X) + 2 * entropy)


def test_minkas_evidence_has_its_maximum_where_pca_says():
    X = low_rank(60, 20, 5, 0)
    found = select(gf.PCA(), X, range(1, 9), method="mle")
    assert found.best_rank_ == gf.PCA("mle").fit(X).n_components_ == found.ranks[np.argmax(found.scores)]


def test_the_error_of_bi_cross_validation_is_that_of_owen_and_perry():
    X = low_rank(9, 7, 2, 0)
    found = select(gf.TruncatedSVD(), X, [1, 2], n_restarts=1)
    seed = np.random.RandomState(0).randint(np.iinfo(np.int32).max, size=1)[0]
    rng = np.random.RandomState(seed)
    rows, cols = rng.permutation(9), rng.permutation(7)
    errors = []
    for r in (rows[:4], rows[4:]):
        for c in (cols[:3], cols[3:]):
            others = np.setdiff1d(rows, r), np.setdiff1d(cols, c)
            U, s, V = np.linalg.svd(X[np.ix_(*others)])
            inverse = (V[:2].T / s[:2]) @ U[:, :2].T
            A = X[np.ix_(r, c)]
            predicted = X[np.ix_(r, others[1])] @ inverse @ X[np.ix_(others[0], c)]
            errors.append(np.sum((A - predicted) ** 2) / np.sum(A**2))
    np.testing.assert_allclose(found.scores[1], np.mean(errors))


@pytest.mark.parametrize("model", [gf.PCA(), gf.TruncatedSVD()], ids=lambda model: type(model).__name__)
def test_components_beyond_the_rank_of_a_part_predict_nothing(model, dtype):
    X = low_rank(120, 30, 3, seed=0, noise=0).astype(dtype)
    found = select(model, X, range(1, 16))
    assert found.best_rank_ == 3
    assert found.scores[2:].max() < np.finfo(dtype).eps


def test_fits_that_had_not_converged_are_counted_in_one_warning():
    with pytest.warns(ConvergenceWarning, match="4 of 4 records of the table") as warned:
        gf.select_rank(
            gf.NMF(max_iter=2, solver="mu"),
            parts(40, 20, 2, 0),
            [2, 3],
            n_restarts=2,
            method="bcv",
            random_state=0,
        )
    assert len([w for w in warned if "records" in str(w.message)]) == 1


REFUSED = {
    "model": (gf.Ridge(), [1, 2], {}, TypeError, "select_rank takes NMF, PCA"),
    "method": (gf.PCA(), [1, 2], {"method": "bic"}, ValueError, "method must be one of 'auto', 'bcv', 'mle'"),
    "one rank": (gf.PCA(), [3], {}, ValueError, "ranks must hold at least two different numbers"),
    "no rank": (gf.PCA(), [0, 3], {}, ValueError, "ranks must be at least 1"),
    "restarts": (gf.PCA(), [1, 2], {"n_restarts": 0}, ValueError, "n_restarts must be at least 1"),
    "too many": (gf.PCA(), [1, 6], {}, ValueError, "ranks must be at most 5, got 6"),
    "all": (gf.PCA(), [1, 10], {"method": "mle"}, ValueError, "ranks must be below"),
    "loss": (gf.NMF(beta_loss=0, solver="mu"), [1, 2], {}, ValueError, "not beta_loss=0"),
    "KL": (gf.NMF(beta_loss=1), [1, 2], {"method": "bcv"}, ValueError, "take 'speckled'"),
    "gaps": (gf.PCA(missing="mask"), [1, 2], {}, ValueError, "missing='mask' of PCA does not go"),
    "custom": (gf.NMF(init="custom"), [1, 2], {}, ValueError, "init='custom'"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_go_is_said(name):
    model, ranks, options, error, message = REFUSED[name]
    with pytest.raises(error, match=message):
        gf.select_rank(model, parts(20, 10, 2, 0), ranks, **options)


def test_an_x_that_is_too_large_to_be_made_dense_is_refused():
    X = sp.csr_array(([1.0], ([0], [0])), shape=(10**6, 10**6))
    with pytest.raises(ValueError, match=r"makes X dense, and 1000000 x 1000000 take 8e\+12 bytes"):
        gf.select_rank(gf.NMF(beta_loss=1), X, [1, 2])


def test_names_of_columns_are_kept():
    X = pd.DataFrame(low_rank(60, 10, 1, 0), columns=list("abcdefghij"))
    found = select(gf.PCA(), X, [1, 2, 3], method="parallel")
    assert found.models_[1][0].feature_names_in_.tolist() == list("abcdefghij")
    found = select(gf.KMeans(), X, [2, 3, 4])
    assert found.models_[2][0].feature_names_in_.tolist() == list("abcdefghij")


def test_the_gap_statistic_refuses_what_it_would_have_to_draw(tmp_path):
    with pytest.raises(ValueError, match="method='gap' draws rows"):
        gf.select_rank(gf.KMeans(), sp.csr_array(blobs(50, 3, 2, 0)), [1, 2], method="gap")


def test_an_error_says_which_fit_it_is_of():
    with pytest.raises(ValueError, match="n_samples=3") as raised:
        gf.select_rank(gf.KMeans(), np.eye(3), [2, 4])
    assert raised.value.__notes__ == ["in the fit of rank 4, restart 0"]


def test_the_model_is_left_alone():
    model = gf.KMeans(7, random_state=3)
    before = dict(vars(model))
    select(model, blobs(50, 3, 2, 0), [2, 3])
    assert vars(model) == before


def test_an_interrupt_ends_it():
    def interrupt(info):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        gf.select_rank(gf.KMeans(callback=interrupt), blobs(50, 3, 2, 0), [2, 3])


@pytest.mark.parametrize("method", ["bcv", "parallel"])
def test_results_are_printed_and_drawn(method):
    from matplotlib.figure import Figure

    found = select(gf.PCA(), low_rank(60, 30, 3, 0), range(1, 6), method=method)
    lines = repr(found).splitlines()
    assert lines[0] == f"RankSelection by {method}: 3"
    assert [line[0] for line in lines[2:]] == [" ", " ", "*", " ", " "]
    ax = found.plot(ax=Figure().subplots())
    assert ax.get_title() == f"3 by {method}"
