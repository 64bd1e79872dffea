"""What is remembered is found by its numbers, and is what would be made anew."""

import threading

import numpy as np
import pytest

import gramfold as gf
from gramfold.fit import remember
from gramfold.fit.remember import remembered


@pytest.fixture
def made():
    remember._made.cache_clear()
    calls = []

    def make(*arrays, power=1):
        calls.append(power)
        return sum(a.sum() for a in arrays) * np.ones(2) ** power

    make.calls = calls
    return make


def test_the_same_numbers_are_made_once(made):
    a = np.arange(6.0).reshape(2, 3)
    first = remembered(made, a)
    for other in (a.copy(), np.asfortranarray(a), a[::-1][::-1]):
        assert remembered(made, other) is first
    assert len(made.calls) == 1


def test_other_numbers_shapes_types_and_options_are_made_anew(made):
    a = np.arange(6.0).reshape(2, 3)
    remembered(made, a)
    for others, more in (
        ((a + 1e-15,), {}), ((a.T,), {}), ((a.ravel(),), {}), ((a.astype(np.float32),), {}), ((a, a), {}),
        ((-0.0 * a,), {}), ((a,), {"power": 2}),
    ):  # fmt: skip
        remembered(made, *others, **more)
    changed = a.copy()
    remembered(made, changed)
    changed[0, 0] = 7
    np.testing.assert_array_equal(remembered(made, changed), changed.sum())
    assert len(made.calls) == 9


def test_what_is_given_cannot_be_written_to(made):
    with pytest.raises(ValueError, match="read-only"):
        remembered(made, np.ones(3))[0] = 1


def test_much_is_not_kept(made):
    big = np.ones(remember.LARGEST // 8 + 1)
    assert remembered(made, big) is not remembered(made, big)
    assert remember._made.cache_info().currsize == 0
    for i in range(2 * remember.COUNT):
        remembered(made, np.full(3, float(i)))
    assert remember._made.cache_info().currsize == remember.COUNT


def first_row(model, X):
    return model.transform(X[:1]) if hasattr(model, "transform") else model.score_samples(X[:1])


@pytest.mark.parametrize(
    ("make", "attribute"),
    [
        (lambda: gf.NMF(3, random_state=0, max_iter=20, tol=0), "components_"),
        (lambda: gf.NMF(3, W_nonneg=False, random_state=0, max_iter=20, tol=0), "components_"),
        (lambda: gf.DictionaryLearning(4, random_state=0, max_iter=3), "components_"),
        (lambda: gf.GaussianMixture(3, random_state=0, max_iter=5, tol=0), "means_"),
    ],
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_changed_model_is_not_taken_for_the_former_one(make, attribute):
    X = np.random.default_rng(0).random((40, 6)) + 0.1
    model = make().fit(X)
    first = first_row(model, X)
    getattr(model, attribute)[:] *= 1.5
    changed = first_row(model, X)
    remember._made.cache_clear()
    np.testing.assert_array_equal(first_row(model, X), changed)
    assert not np.array_equal(first, changed)


def test_threads_get_the_results_of_their_own_models():
    X = np.random.default_rng(0).random((40, 6))
    models = [gf.NMF(3, init="random", random_state=i, max_iter=20, tol=0).fit(X) for i in range(8)]
    expected, wrong = [model.transform(X[:1]) for model in models], []

    def work(i):
        for _ in range(50):
            if not np.array_equal(models[i].transform(X[:1]), expected[i]):
                wrong.append(i)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
