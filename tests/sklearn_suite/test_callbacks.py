"""Callbacks and routed metadata of scikit-learn reach the fits."""

import numpy as np
import pytest
import sklearn
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.metrics import make_scorer, mean_squared_error
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler

import gramfold as gf

callback = pytest.importorskip("sklearn.callback", reason="callbacks come with scikit-learn 1.9")
X = np.random.default_rng(0).random((60, 6))
y = X @ np.arange(6.0) + 0.1 * X[:, 0] ** 2
ITERATE = [
    gf.NMF(2, random_state=0, tol=0, max_iter=5), gf.MiniBatchNMF(2, random_state=0, tol=0, max_iter=2),
    gf.KMeans(3, random_state=0), gf.MiniBatchKMeans(3, random_state=0), gf.Ridge(solver="cg"), gf.Ridge(),
    gf.GaussianMixture(2, random_state=0), gf.PoissonMixture(2, random_state=0), gf.RobustPCA(),
    gf.DictionaryLearning(3, max_iter=3, random_state=0),
    gf.MiniBatchDictionaryLearning(3, max_iter=2, random_state=0),
]  # fmt: skip
AT_ONCE = [
    gf.PCA(2), gf.TruncatedSVD(2), gf.IncrementalPCA(2), gf.OnlineRobustPCA(2), gf.SparseCoder(np.eye(6)),
]  # fmt: skip


class Heard:
    """A callback that notes what it hears, and stops the fit after so many iterations."""

    def __init__(self, most=None):
        self.most, self.begun, self.ended, self.fitted, self.calls = most, 0, 0, None, []

    def setup(self, estimator, context):
        self.calls.append("setup")

    def on_fit_task_begin(self, estimator, context):
        self.begun += context.task_name == "iteration"

    def on_fit_task_end(self, estimator, context, *, X, y, fitted_estimator):
        if context.task_name != "iteration":
            self.fitted = fitted_estimator
            return False
        self.ended += 1
        return self.ended == self.most

    def teardown(self, estimator, context):
        self.calls.append("teardown")


def whole(model):
    return np.round(10 * X) if isinstance(model, gf.PoissonMixture) else X


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("model", [*ITERATE, *AT_ONCE], ids=str)
def test_callbacks_hear_of_each_iteration_and_of_what_was_learned(model):
    heard, data = Heard(), whole(model)
    fitted = clone(model).set_callbacks(heard).fit(data, y)
    assert heard.begun == heard.ended == (len(fitted.history_["kkt"]) if hasattr(fitted, "history_") else 0)
    assert heard.calls == ["setup", "teardown"]
    method = "transform" if hasattr(fitted, "transform") else "predict"
    assert_array_equal(getattr(heard.fitted, method)(data), getattr(fitted, method)(data))
    assert_array_equal(getattr(clone(model).fit(data, y), method)(data), getattr(fitted, method)(data))


@pytest.mark.parametrize("model", [gf.NMF(2, tol=0, max_iter=9), gf.Ridge(solver="cg")], ids=str)
def test_callbacks_stop_a_fit_and_a_fit_that_fails_ends_them(model):
    model = clone(model).set_callbacks(Heard(2)).fit(X, y)
    assert len(model.history_["kkt"]) == 2
    heard = Heard()
    with pytest.raises(ValueError, match="NaN"):
        model.set_callbacks(heard).fit(X * np.nan, y)
    assert heard.calls == ["setup", "teardown"]
    assert len(model.history_["kkt"]) == 2
    assert model.set_callbacks().fit(X, y).n_iter_ > 2 or isinstance(model, gf.Ridge)


def test_own_and_scikit_learns_callbacks_are_heard_side_by_side():
    infos, heard = [], Heard()
    model = gf.NMF(2, tol=0, max_iter=4, callback=lambda info: infos.append(info.iteration))
    model.set_callbacks(heard).fit(X)
    assert infos == [1, 2, 3, 4]
    assert heard.ended == 4


def test_scikit_learns_scoring_monitor_and_progress_bar_work():
    pytest.importorskip("rich")
    monitor = callback.ScoringMonitor(scoring=make_scorer(mean_squared_error))
    model = gf.Ridge(alpha=0.1).set_callbacks(monitor, callback.ProgressBar()).fit(X, y)
    scores = [row["score"] for row in monitor.get_logs().data if "score" in row]
    assert scores == [mean_squared_error(y, model.predict(X))]
    gf.NMF(2, max_iter=3, tol=0).set_callbacks(callback.ProgressBar()).fit(X)


def test_callbacks_of_a_search_reach_the_fits_within():
    bar = Heard()
    search = GridSearchCV(gf.Ridge().set_callbacks(bar), {"alpha": [0.1, 1]}, cv=2, refit=False).fit(X, y)
    assert search.cv_results_["params"] == [{"alpha": 0.1}, {"alpha": 1}]
    assert bar.ended == 4


@pytest.mark.parametrize(
    "model",
    [
        gf.NMF(2),
        gf.PCA(2),
        gf.TruncatedSVD(2),
        gf.KMeans(2, random_state=0),
        gf.GaussianMixture(2),
        gf.Ridge(),
    ],
    ids=str,
)
def test_routed_weights_reach_the_fit_within_a_pipeline(model):
    weights = np.arange(60) % 3 + 0.0
    with sklearn.config_context(enable_metadata_routing=True):
        asked = clone(model).set_params(
            **({"random_state": 0} if "random_state" in model.get_params() else {})
        )
        alone = clone(asked).fit(MaxAbsScaler().fit_transform(X), y, sample_weight=weights)
        pipeline = make_pipeline(MaxAbsScaler(), asked.set_fit_request(sample_weight=True))
        routed = pipeline.fit(X, y, sample_weight=weights)[-1]
        method = "transform" if hasattr(alone, "transform") else "predict"
        assert_array_equal(getattr(routed, method)(X), getattr(alone, method)(X))
