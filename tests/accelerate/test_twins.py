"""Models of gramfold as scikit-learn's, and the other way round."""

import inspect
import pickle
from importlib import import_module

import numpy as np
import pytest
import sklearn
from numpy.testing import assert_allclose, assert_array_equal

import gramfold as gf
from gramfold.fit.estimator import TWINS

X = np.random.default_rng(0).random((60, 6))
Y = X @ np.arange(6.0)
KINDS = ("full", "tied", "diag", "spherical")
MODELS = [
    gf.NMF(2, random_state=0, max_iter=500), gf.MiniBatchNMF(2, random_state=0, max_iter=1000), gf.PCA(2),
    gf.IncrementalPCA(2), gf.TruncatedSVD(2, random_state=0), gf.DictionaryLearning(3, random_state=0),
    gf.MiniBatchDictionaryLearning(3, random_state=0), gf.SparseCoder(np.eye(6), transform_alpha=0.1),
    gf.KMeans(3, random_state=0), gf.MiniBatchKMeans(3, random_state=0), gf.Ridge(0.1),
    *(gf.GaussianMixture(2, covariance_type=kind, random_state=0) for kind in KINDS),
]  # fmt: skip
# scikit-learn ends its iterations for W near the optimum, where gramfold ends in it.
CLOSE = {"NMF": 1e-3, "MiniBatchNMF": 2e-2}


def told(model):
    """What a fitted model says of X by each of its methods."""
    methods = ("transform", "predict", "predict_proba", "score_samples")
    found = {name: getattr(model, name)(X) for name in methods if hasattr(model, name)}
    if hasattr(model, "inverse_transform"):
        found["inverse_transform"] = model.inverse_transform(found["transform"])
    if hasattr(model, "get_feature_names_out"):
        assert list(model.get_feature_names_out())
    if hasattr(model, "score"):
        found["score"] = model.score(X, Y)
    return found


def taken(function, *, by_place):
    """The names of arguments that may be given by their place, or all."""
    parameters = inspect.signature(function).parameters.values()
    kinds = [inspect.Parameter.POSITIONAL_OR_KEYWORD, *([] if by_place else [inspect.Parameter.KEYWORD_ONLY])]
    old = {"Xt"}  # of inverse_transform, until scikit-learn 1.7
    return [p.name for p in parameters if p.kind in kinds and p.name not in old]


@pytest.mark.parametrize("name", TWINS)
def test_every_argument_of_scikit_learns_is_taken_at_its_place(name):
    ours, theirs = getattr(gf, name), getattr(import_module(TWINS[name]), name)
    public = [m for m in vars(theirs) | vars(theirs.__mro__[1]) if m[0] != "_"]
    methods = [m for m in public if inspect.isfunction(getattr(theirs, m))]
    assert "transform" in methods or "predict" in methods or "fit" in methods
    for method in ["__init__", *methods]:
        mine, other = getattr(ours, method), getattr(theirs, method)
        places = taken(other, by_place=True)
        assert taken(mine, by_place=True)[: len(places)] == places, method
        assert set(taken(other, by_place=False)) <= set(taken(mine, by_place=False)), method


@pytest.mark.parametrize("model", MODELS, ids=str)
def test_a_model_there_and_back_says_the_same(model):
    model = sklearn.clone(model).fit(X, Y)
    theirs = model.to_sklearn()
    assert type(theirs).__module__.startswith("sklearn.")
    assert b"gramfold" not in pickle.dumps(theirs)
    back = gf.from_sklearn(theirs)
    assert type(back) is type(model)
    expected, close = told(model), CLOSE.get(type(model).__name__, 1e-9)
    by_steps = type(model).__name__ == "MiniBatchNMF"
    for name, found in told(theirs).items():
        if name in expected and not (by_steps and name in ("score", "inverse_transform")):
            assert_allclose(found, expected[name], rtol=1e-7, atol=close, err_msg=name)
    for name, found in told(back).items():
        assert_array_equal(found, expected[name], err_msg=name)


@pytest.mark.parametrize("model", MODELS, ids=str)
def test_what_scikit_learn_fitted_gramfold_goes_on_with(model):
    theirs = model.to_sklearn().fit(X, Y)
    ours = gf.from_sklearn(theirs)
    assert (
        ours.get_params().items()
        >= {k: v for k, v in theirs.get_params().items() if k != "dictionary"}.items()
    )
    expected, close = told(theirs), CLOSE.get(type(model).__name__, 1e-9)
    for name in {"transform", "predict", "predict_proba"} & expected.keys():
        assert_allclose(told(ours)[name], expected[name], rtol=1e-7, atol=close, err_msg=name)


@pytest.mark.parametrize(
    "model", [gf.NMF(random_state=0, tol=0.01), gf.MiniBatchNMF(random_state=0, tol=0.01)], ids=str
)
def test_a_rank_that_the_fit_found_is_known_there(model):
    model = sklearn.clone(model).fit(X)
    assert_allclose(model.to_sklearn().transform(X), model.transform(X), atol=0.1)


def test_whitened_codes_are_the_same():
    model = gf.PCA(2, whiten=True).fit(X)
    assert_allclose(model.to_sklearn().transform(X), model.transform(X), rtol=1e-9, atol=1e-12)


def test_models_and_parameters_without_an_equal_say_so():
    for model in (gf.PoissonMixture(), gf.RobustPCA(), gf.OnlineRobustPCA()):
        assert not hasattr(model, "to_sklearn")
    with pytest.raises(ValueError, match="KMeans has no ridge, which is"):
        gf.KMeans(ridge=0.1).to_sklearn()
    with pytest.raises(ValueError, match="has no frozen"):
        gf.NMF(frozen=np.ones((1, 6))).to_sklearn()
    with pytest.raises(TypeError, match=r"gramfold has no class for sklearn.cluster._birch.Birch"):
        gf.from_sklearn(sklearn.cluster.Birch())
    assert gf.NMF(n_threads=2, max_time=9.0).to_sklearn().get_params()["max_iter"] == 200
