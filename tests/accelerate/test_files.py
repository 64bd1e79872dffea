"""Models in files that are no pickles: skops' own, and ONNX by way of scikit-learn's classes."""

import importlib

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone

import gramfold as gf

X = np.random.default_rng(0).random((60, 6))
Y = X @ np.arange(6.0)
BATCHES = [
    gf.MiniBatchNMF(2, random_state=0), gf.IncrementalPCA(2), gf.Ridge(), gf.OnlineRobustPCA(2),
    gf.MiniBatchDictionaryLearning(3, random_state=0), gf.MiniBatchKMeans(3, random_state=0),
]  # fmt: skip
MODELS = [
    *BATCHES, gf.NMF(2, random_state=0), gf.PCA(2), gf.TruncatedSVD(2), gf.DictionaryLearning(3),
    gf.SparseCoder(np.eye(6)), gf.KMeans(3), gf.GaussianMixture(2), gf.PoissonMixture(2), gf.RobustPCA(),
]  # fmt: skip


def arrays(model):
    return {
        key: value
        for key, value in vars(model).items()
        if key.endswith("_") and isinstance(value, np.ndarray)
    }


@pytest.fixture
def through_skops():
    """A model written and read again, with what it is made of."""
    io = pytest.importorskip("skops.io", reason="of the extra `test`")
    seen = set()

    def through(model):
        written = io.dumps(model)
        seen.update(io.get_untrusted_types(data=written))
        return io.loads(written, trusted=gf.SKOPS_TYPES)

    through.seen = seen
    return through


def test_every_model_comes_back_from_skops_with_the_types_listed(through_skops):
    for model in MODELS:
        data = np.round(9 * X) if isinstance(model, gf.PoissonMixture) else X
        fitted = clone(model).fit(data, Y)
        found = through_skops(fitted)
        for name, value in arrays(fitted).items():
            assert_array_equal(getattr(found, name), value, err_msg=f"{model}: {name}")
        method = "transform" if hasattr(fitted, "transform") else "predict"
        assert_array_equal(getattr(found, method)(data), getattr(fitted, method)(data), err_msg=str(model))
        for batch in (X[:30], X[30:]) if model in BATCHES else ():
            given = (batch, batch @ np.arange(6.0)) if isinstance(model, gf.Ridge) else (batch,)
            again, fitted = through_skops(fitted).partial_fit(*given), fitted.partial_fit(*given)
            for name, value in arrays(fitted).items():
                assert_array_equal(getattr(again, name), value, err_msg=f"{model}: {name}")
    assert sorted(through_skops.seen) == gf.SKOPS_TYPES


def test_the_types_listed_are_there():
    for name in gf.SKOPS_TYPES:
        module, _, kind = name.rpartition(".")
        assert hasattr(importlib.import_module(module), kind), name


@pytest.mark.parametrize(
    "model",
    [gf.KMeans(3, random_state=0), gf.MiniBatchKMeans(3, random_state=0), gf.PCA(2), gf.IncrementalPCA(2),
     gf.TruncatedSVD(2), gf.GaussianMixture(2), gf.Ridge()],
    ids=str,
)  # fmt: skip
@pytest.mark.filterwarnings("ignore")  # of the converter, about what will change in NumPy
def test_a_model_as_scikit_learns_goes_to_onnx(model):
    convert = pytest.importorskip("skl2onnx", reason="of the extra `test`")
    from onnx.reference import ReferenceEvaluator

    fitted = clone(model).fit(X, Y)
    made = convert.to_onnx(fitted.to_sklearn(), X, target_opset=18)
    found = ReferenceEvaluator(made).run(None, {"X": X})[0]
    expected = fitted.predict(X) if hasattr(fitted, "predict") else fitted.transform(X)
    assert_allclose(np.reshape(found, np.shape(expected)), expected, rtol=1e-5, atol=1e-6)
