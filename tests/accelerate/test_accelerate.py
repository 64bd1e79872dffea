"""scikit-learn's names give gramfold's classes, and code written for scikit-learn runs as it is."""

import copy
import logging
import multiprocessing
import pickle
import subprocess
import sys

import numpy as np
import pytest
import sklearn.cluster
import sklearn.decomposition
import sklearn.linear_model
import sklearn.mixture
from joblib import Parallel, delayed
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

import gramfold as gf

X = np.random.default_rng(0).random((60, 6))
Y = X @ np.arange(6.0)
CALLS = {
    "NMF": ("decomposition", {"n_components": 2, "random_state": 0, "max_iter": 500}),
    "MiniBatchNMF": ("decomposition", {"n_components": 2, "random_state": 0}),
    "PCA": ("decomposition", {"n_components": 2, "whiten": True}),
    "IncrementalPCA": ("decomposition", {"n_components": 2}),
    "TruncatedSVD": ("decomposition", {"n_components": 2, "random_state": 0}),
    "DictionaryLearning": ("decomposition", {"n_components": 3, "random_state": 0}),
    "MiniBatchDictionaryLearning": ("decomposition", {"n_components": 3, "random_state": 0}),
    "KMeans": ("cluster", {"n_clusters": 3, "random_state": 0}),
    "MiniBatchKMeans": ("cluster", {"n_clusters": 3, "random_state": 0}),
    "GaussianMixture": ("mixture", {"n_components": 2, "random_state": 0}),
    "Ridge": ("linear_model", {"alpha": 0.1}),
}


@pytest.fixture
def accelerated():
    with gf.accelerate() as done:
        yield done


def of_sklearn(name):
    module, options = CALLS[name]
    return getattr(getattr(sklearn, module), name), options


def results(model):
    return model.transform(X) if hasattr(model, "transform") else model.predict(X)


@pytest.mark.parametrize("name", CALLS)
def test_an_accelerated_class_gives_what_gramfold_gives_and_pickles_as_scikit_learns(name, accelerated):
    cls, options = of_sklearn(name)
    model = clone(cls(**options)).fit(X, Y)
    assert type(model) is cls
    assert issubclass(cls, getattr(gf, name))
    assert_array_equal(results(model), results(getattr(gf, name)(**options).fit(X, Y)))
    assert type(copy.deepcopy(model)) is type(copy.copy(model)) is cls
    saved = pickle.dumps(model)
    assert b"gramfold" not in saved
    loaded = pickle.loads(saved)
    assert isinstance(loaded, cls)  # of scikit-learn's own class, which counts as an instance
    accelerated.restore()
    assert type(loaded) is of_sklearn(name)[0]
    # Multiplicative updates and coordinate descent end near the optimum where gramfold ends in it.
    close = {"NMF": 1e-3, "MiniBatchNMF": 2e-2}.get(name, 1e-9)
    assert_allclose(results(loaded), results(model), rtol=1e-7, atol=close)


def test_functions_and_classes_pickle_by_the_name_that_scikit_learn_has_too(accelerated):
    for thing in (
        sklearn.decomposition.sparse_encode,
        sklearn.cluster.kmeans_plusplus,
        sklearn.cluster.KMeans,
    ):
        saved = pickle.dumps(thing)
        assert b"gramfold" not in saved
        assert pickle.loads(saved) is thing


def test_names_are_given_back_and_scikit_learn_keeps_its_own():
    original = sklearn.decomposition.PCA
    done = gf.accelerate("PCA", "KMeans")
    assert sklearn.decomposition.PCA is not original
    assert issubclass(sklearn.decomposition.PCA, original)
    assert isinstance(original(), sklearn.decomposition.PCA)
    assert "PCA" in dir(sklearn.decomposition)
    assert sklearn.decomposition._pca.PCA is original
    assert not issubclass(sklearn.decomposition.NMF, gf.NMF)
    again = gf.accelerate("PCA")
    again.restore()
    assert sklearn.decomposition.PCA is not original, "what was in place before stays"
    done.restore()
    assert sklearn.decomposition.PCA is original
    assert not issubclass(sklearn.cluster.KMeans, gf.KMeans)
    with pytest.raises(AttributeError, match="no attribute 'PCAs'"):
        _ = sklearn.decomposition.PCAs
    with pytest.raises(ValueError, match="got 'SVC'"):
        gf.accelerate("SVC")


def test_an_own_subclass_is_fitted_by_gramfold(accelerated):
    class Mine(sklearn.decomposition.PCA):
        def fit_transform(self, X, y=None):
            return 2 * super().fit_transform(X)

    assert_array_equal(Mine(2).fit_transform(X), 2 * gf.PCA(2).fit_transform(X))
    assert isinstance(Mine(2), sklearn.decomposition.PCA)


def test_a_fitted_object_of_an_own_subclass_pickles_without_gramfold(accelerated, monkeypatch):
    kind = type("Mine", (sklearn.decomposition.MiniBatchNMF,), {"__module__": __name__})
    monkeypatch.setitem(globals(), "Mine", kind)
    model = kind(2, random_state=0).fit(X)
    model.note = "kept"
    saved = pickle.dumps(model)
    assert b"gramfold" not in saved
    loaded = pickle.loads(saved)
    assert (type(loaded), loaded.note) == (kind, "kept")
    assert_array_equal(loaded.transform(X), model.transform(X))


def fitted_and_its_class(model):
    return model.fit(X), type(model).__mro__[1].__module__


def of_worker(cls):
    return cls.__mro__[1].__module__


def test_workers_run_gramfold_and_give_its_models_back(accelerated):
    cls, options = of_sklearn("KMeans")
    expected = cls(**options).fit(X).labels_
    model, class_there = Parallel(n_jobs=2)(
        [delayed(fitted_and_its_class)(cls(**options)), delayed(of_worker)(cls)]
    )  # fmt: skip
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        of_pool = pool.map(fitted_and_its_class, [cls(**options)])
    assert class_there == "gramfold.kmeans.estimator"
    for found, there in (model, *of_pool):
        assert there == "gramfold.kmeans.estimator"
        assert type(found) is cls
        assert_array_equal(found.labels_, expected)


def test_what_gramfold_does_not_take_scikit_learn_does_and_the_log_says_so(accelerated, caplog):
    heard = []
    with caplog.at_level(logging.INFO, "gramfold"):
        model = sklearn.decomposition.DictionaryLearning(2, max_iter=2, callback=heard.append).fit(X)
    assert "dictionary" in heard[0], "called with the variables of the loop, as by scikit-learn"
    assert "DictionaryLearning.fit by scikit-learn: callback" in caplog.text
    assert not isinstance(model, gf.DictionaryLearning)
    assert model.transform(X).shape == (60, 2)
    options = {"n_components": 2, "init": "random", "tol": 0, "max_iter": 3}
    with pytest.raises(ValueError, match="X is too small"):
        gf.NMF(**options).fit(X * 1e-160)
    with caplog.at_level(logging.INFO, "gramfold"):
        codes = sklearn.decomposition.NMF(**options).fit_transform(X * 1e-160)
    assert codes.shape == (60, 2)
    assert "NMF.fit_transform by scikit-learn: X is too small" in caplog.text


def test_wrong_calls_raise_what_scikit_learn_raises_and_change_nothing(accelerated):
    with pytest.raises(ValueError, match="'n_components' parameter of PCA"):
        sklearn.decomposition.PCA(-1).fit(X)
    with pytest.raises(ValueError, match=r"must contain at least one non-zero|0 everywhere"):
        sklearn.decomposition.PCA(2).fit(X, sample_weight=np.zeros(60))
    with pytest.raises(ValueError, match=r"must contain at least one non-zero|0 everywhere"):
        sklearn.decomposition.NMF(2).fit(X, sample_weight=np.zeros(60))
    with pytest.raises(ValueError, match="max_error must be a number"):
        sklearn.decomposition.sparse_encode(X, np.eye(6), algorithm="omp", max_error=-1)
    model = sklearn.cluster.KMeans(3, random_state=0).fit(X)
    before = vars(model).copy()
    with pytest.raises(ValueError, match="Input X contains NaN"):
        model.fit(X * np.nan)
    assert vars(model).keys() == before.keys()
    assert type(model) is sklearn.cluster.KMeans


def test_a_batch_that_does_not_fit_those_before_is_refused_by_gramfold(accelerated):
    model = sklearn.decomposition.MiniBatchNMF(2, random_state=0).partial_fit(X)
    with pytest.raises(ValueError, match="X has 5 features, but MiniBatchNMF is expecting 6"):
        model.partial_fit(X[:, :5])
    assert type(model) is sklearn.decomposition.MiniBatchNMF
    model.partial_fit(X)


def test_pipelines_searches_and_column_transformers_run_as_they_are(accelerated, tmp_path):
    steps = make_pipeline(
        ColumnTransformer([("nmf", sklearn.decomposition.NMF(2, random_state=0, max_iter=500), slice(0, 4))],
                          remainder=MinMaxScaler()),
        sklearn.linear_model.Ridge(),
    )  # fmt: skip
    steps.set_output(transform="default")
    search = GridSearchCV(steps, {"ridge__alpha": [0.1, 1.0]}, cv=2, n_jobs=2, error_score="raise").fit(X, Y)
    assert search.best_params_ == {"ridge__alpha": 0.1}
    assert cross_val_score(sklearn.linear_model.Ridge(), X, Y, cv=3).min() > 0.8
    model = sklearn.decomposition.PCA(2).set_output(transform="pandas").fit(X)
    pytest.importorskip("pandas")
    assert list(model.transform(X).columns) == ["pca0", "pca1"]
    assert list(pickle.loads(pickle.dumps(model)).transform(X).columns) == ["pca0", "pca1"]


SCRIPT = """
import sys
import sklearn.cluster as cluster
from sklearn.decomposition import NMF
print(NMF.__mro__[1].__module__, cluster.KMeans.__mro__[1].__module__, sys.argv[1:], __name__)
"""


@pytest.mark.parametrize("way", [["script.py"], ["-m", "script"]], ids=str)
def test_a_program_runs_with_gramfold_in_place_of_scikit_learn(way, tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, "-m", "gramfold", *way, "--more", "1"],
        cwd=tmp_path, capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    assert done.stdout == "gramfold.nmf.estimator gramfold.kmeans.estimator ['--more', '1'] __main__\n"


@pytest.mark.parametrize("program", [False, True])
def test_a_command_is_that_of_gramfold_unless_there_is_a_program_of_its_name(program, tmp_path):
    if program:
        (tmp_path / "info").write_text("print('of my own')")
    done = subprocess.run(
        [sys.executable, "-m", "gramfold", "info"],
        cwd=tmp_path, capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    assert done.stdout.startswith("of my own\n" if program else "version: ")


def test_the_command_line_says_how_it_is_used():
    done = subprocess.run(
        [sys.executable, "-m", "gramfold"], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 1
    assert "usage: python -m gramfold" in done.stderr
