"""A fit that a limit or a signal ended goes on from its checkpoint, under another limit, to the same bits."""

import signal
import threading

import pytest
from entries import counts
from test_checkpoints import MODELS, RIDGE, assert_same_learned, fit

LIMITED = {
    "NMF": 25, "NMF, KL": 25, "NMF, mu": 60, "NMF, missing": 25, "KMeans, many": 300, "MiniBatchKMeans": 100,
    "GaussianMixture, full": 100, "PoissonMixture": 100, "MiniBatchNMF": 9, "MiniBatchDictionaryLearning": 5,
    "RobustPCA": 20, "DictionaryLearning, cd": 12,
}  # fmt: skip


@pytest.mark.parametrize("name", LIMITED)
def test_a_fit_that_max_iter_ended_goes_on_under_a_larger_one(tmp_path, name):
    make, most = MODELS[name], LIMITED[name]
    whole = fit(make().set_params(max_iter=most), counts())
    first = 1 if name == "MiniBatchKMeans" else 3
    fit(make().set_params(max_iter=first), counts(), checkpoint=tmp_path / "fit")
    seen = []
    model = make().set_params(max_iter=most, callback=lambda info: seen.append(info.iteration))
    assert_same_learned(fit(model, counts(), checkpoint=tmp_path / "fit").set_params(callback=None), whole)
    assert seen[0] > 1


def test_so_does_ridge(tmp_path):
    X = counts()
    whole = fit(RIDGE["cg"](), X, y=X[:, 0])
    fit(RIDGE["cg"]().set_params(max_iter=2), X, y=X[:, 0], checkpoint=tmp_path / "fit")
    assert_same_learned(fit(RIDGE["cg"](), X, y=X[:, 0], checkpoint=tmp_path / "fit"), whole)


@pytest.mark.parametrize("name", ["NMF", "KMeans, many", "PoissonMixture", "RobustPCA"])
def test_a_fit_that_max_time_ended_goes_on(monkeypatch, tmp_path, name):
    whole, clock = fit(MODELS[name](), counts()), [0.0]
    monkeypatch.setattr("gramfold.fit.monitor.time.perf_counter", lambda: clock[0])

    def second(info):
        clock[0] += 1

    model = MODELS[name]().set_params(max_time=1.5, callback=second)
    fit(model, counts(), checkpoint=tmp_path / "fit")
    seen = []
    model = MODELS[name]().set_params(callback=lambda info: seen.append(info.iteration))
    assert_same_learned(fit(model, counts(), checkpoint=tmp_path / "fit").set_params(callback=None), whole)
    assert seen[0] == 3  # after two seconds


@pytest.mark.parametrize("name", ["NMF", "RobustPCA", "KMeans, many"])
def test_a_limit_that_is_reached_already_is_told(tmp_path, name):
    fit(MODELS[name]().set_params(max_iter=12), counts(), checkpoint=tmp_path / "fit", checkpoint_every=0)
    with pytest.raises(ValueError, match=r"of a fit after \d+ iterations: raise max_iter, or begin anew"):
        fit(MODELS[name]().set_params(max_iter=2), counts(), checkpoint=tmp_path / "fit")


class Sends:
    """A callback that sends the process a signal in an iteration."""

    def __init__(self, number, iteration=3):
        self.number, self.iteration, self.seen = number, iteration, []

    def __call__(self, info):
        self.seen.append(info.iteration)
        if info.iteration == self.iteration:
            signal.raise_signal(self.number)


class Ended(Exception):
    """What the tests' handler raises."""


@pytest.fixture
def handler():
    """Handlers of both signals that raise `Ended`."""

    def end(number, frame):
        raise Ended(number)

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    yield end
    for number, one in before.items():
        signal.signal(number, one)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(
    "name", ["NMF", "KMeans, many", "PoissonMixture", "RobustPCA", "DictionaryLearning, cd"]
)
def test_a_signal_waits_for_a_checkpoint(tmp_path, handler, name, number):
    whole = fit(MODELS[name](), counts())
    model = MODELS[name]().set_params(callback=Sends(number))
    with pytest.raises(Ended, match=str(int(number))):
        fit(model, counts(), checkpoint=tmp_path / "fit", checkpoint_every=1000.0)
    assert model.callback.seen == [1, 2, 3]
    assert signal.getsignal(number) is handler
    assert not hasattr(model, "n_iter_")
    again = MODELS[name]().set_params(callback=Sends(number, iteration=0))
    fit(again, counts(), checkpoint=tmp_path / "fit")
    assert again.callback.seen[0] == 4
    assert_same_learned(again.set_params(callback=None), whole)


def test_a_second_signal_does_not_wait(tmp_path, handler):
    class Twice(Sends):
        def __call__(self, info):
            super().__call__(info)
            super().__call__(info)

    with pytest.raises(Ended):
        fit(MODELS["NMF"]().set_params(callback=Twice(signal.SIGINT)), counts(), checkpoint=tmp_path / "fit",
            checkpoint_every=1000.0)  # fmt: skip
    assert signal.getsignal(signal.SIGINT) is handler
    assert not (tmp_path / "fit").exists()


def test_a_fit_without_checkpoints_is_ended_at_once(handler):
    callback = Sends(signal.SIGINT)
    with pytest.raises(Ended):
        fit(MODELS["NMF"]().set_params(callback=callback), counts())
    assert callback.seen == [1, 2, 3]


def test_a_signal_whose_handler_returns_lets_the_fit_go_on(tmp_path):
    came = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: came.append(number))
    try:
        model = MODELS["NMF"]().set_params(callback=Sends(signal.SIGTERM))
        fit(model, counts(), checkpoint=tmp_path / "fit", checkpoint_every=1000.0)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert came == [signal.SIGTERM]
    assert_same_learned(model.set_params(callback=None), fit(MODELS["NMF"](), counts()))


def test_another_thread_leaves_signals_alone(tmp_path, handler):
    seen = []

    def one(info):
        seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(
        target=fit,
        args=(MODELS["NMF"]().set_params(callback=one), counts()),
        kwargs={"checkpoint": tmp_path / "fit"},
    )
    thread.start()
    thread.join(60)
    assert set(seen) == {handler}
