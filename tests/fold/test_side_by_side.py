"""Fits side by side read files once for all of them, and give the bits of fits on their own."""

import threading
import time
from functools import partial
from itertools import pairwise

import numpy as np
import pytest
import scipy.sparse as sp
from entries import counts

import gramfold as gf
from gramfold.fit.inputs import read_rows
from gramfold.fold.in_step import Ended, Meeting
from gramfold.fold.segments import source_of
from gramfold.fold.side_by_side import side_by_side
from gramfold.kmeans.seeding import draw_past, plus_plus

LIMIT = 5  # seconds after which a test that hangs fails


class Counted:
    """Rows that are read from somewhere, and how many were."""

    def __init__(self, rows):
        self.rows, self.shape, self.dtype, self.read = rows, rows.shape, rows.dtype, 0

    def __getitem__(self, at):
        found = self.rows[at]
        self.read += found.shape[0]
        return found


@pytest.fixture(autouse=True)
def no_threads_are_left():
    before = set(threading.enumerate())
    yield
    end = time.monotonic() + LIMIT
    while set(threading.enumerate()) - before:
        assert time.monotonic() < end
        time.sleep(0.01)


def in_file(X, folder):
    if sp.issparse(X):
        sp.save_npz(folder / "x.npz", X, compressed=False)
        return folder / "x.npz"
    np.save(folder / "x.npy", X)
    return folder / "x.npy"


def pieces(X, memory=20_000):
    return gf.blocks(Counted(X), memory=memory)


DATA = {
    "tall": lambda: counts(400, 9), "wide": lambda: counts(9, 400),
    "CSR": lambda: sp.csr_matrix(counts(400, 9)),
    "float32": lambda: counts(300, 30).astype(np.float32),
    "bytes": lambda: np.minimum(counts(300, 30), 255).astype(np.uint8),
}  # fmt: skip
KINDS = {"HALS": {}, "KL": {"beta_loss": 1}, "mu": {"solver": "mu", "beta_loss": 1.5}, "weights": {}}


def started(n_init, **options):
    return gf.NMF(3, init="random", n_init=n_init, max_iter=8, tol=0, random_state=0, **options)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("data", DATA)
def test_starts_on_a_file_give_the_bits_of_starts_in_memory(data, kind, tmp_path):
    X = DATA[data]()
    weights = {"sample_weight": np.arange(1.0, 1 + X.shape[0])} if kind == "weights" else {}
    expected = started(4, **KINDS[kind]).fit(X.astype(np.float32) if data == "bytes" else X, **weights)
    found = started(4, **KINDS[kind], n_threads=2).fit(in_file(X, tmp_path), **weights)
    np.testing.assert_array_equal(found.components_, expected.components_)
    np.testing.assert_array_equal(found.history_["objective"], expected.history_["objective"])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("data", ["tall", "wide", "CSR"])
def test_starts_on_segments_give_the_bits_of_separate_fits(data, kind):
    X, rng = DATA[data](), np.random.RandomState(0)
    weights = {"sample_weight": np.arange(1.0, 1 + X.shape[0])} if kind == "weights" else {}
    fits = [
        gf.NMF(3, init="random", max_iter=8, tol=0, random_state=rng, **KINDS[kind]).fit(pieces(X), **weights)
        for _ in range(4)
    ]
    best = min(fits, key=lambda model: model.history_["objective"][-1])
    found = started(4, **KINDS[kind]).fit(pieces(X), **weights)
    np.testing.assert_array_equal(found.components_, best.components_)


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("form", ["file", "segments"])
@pytest.mark.parametrize("init", ["random", "k-means++", "k-means||"])
def test_clusterings_from_several_starts_are_those_in_turn(tmp_path, form, metric, init):
    X = counts(400, 9, empty_row=metric == "euclidean")
    options = {"init": init, "n_init": 5, "random_state": 0, "metric": metric, "tol": 0}
    data = in_file(X, tmp_path) if form == "file" else pieces(X)
    weights = np.arange(1.0, 401)
    beside = gf.KMeans(5, **options).fit(data, sample_weight=weights)
    with gf.checkpoint(tmp_path / "in turn"):
        in_turn = gf.KMeans(5, **options).fit(data, sample_weight=weights)
    np.testing.assert_array_equal(beside.cluster_centers_, in_turn.cluster_centers_)
    np.testing.assert_array_equal(beside.labels_, in_turn.labels_)
    assert beside.inertia_ == in_turn.inertia_


MIXTURES = {
    "clusters": lambda: gf.GaussianMixture(3, max_iter=9, tol=0),
    "tied": lambda: gf.GaussianMixture(3, covariance_type="tied", max_iter=9, tol=0),
    "SQUAREM": lambda: gf.GaussianMixture(3, covariance_type="diag", accelerate=True, max_iter=9, tol=0),
    "rows": lambda: gf.GaussianMixture(3, init_params="random_from_data", reg_covar=1, max_iter=9, tol=0),
    "seeds": lambda: gf.GaussianMixture(3, init_params="k-means++", reg_covar=1, max_iter=9, tol=0),
    "random": lambda: gf.GaussianMixture(3, init_params="random", max_iter=9, tol=0),
    "means given": lambda: gf.GaussianMixture(3, means_init=counts(3, 9), max_iter=9, tol=0),
    "all given": lambda: gf.GaussianMixture(
        2, weights_init=[0.5, 0.5], means_init=counts(2, 9), precisions_init=np.ones((2, 9)),
        covariance_type="diag", max_iter=9, tol=0,
    ),
    "Poisson": lambda: gf.PoissonMixture(3, max_iter=9, tol=0),
    "Poisson, random": lambda: gf.PoissonMixture(3, init_params="random", max_iter=9, tol=0),
    "Poisson, seeds": lambda: gf.PoissonMixture(3, init_params="k-means++", max_iter=9, tol=0),
    "dictionary": lambda: gf.DictionaryLearning(12, alpha=3, max_iter=5, tol=0),
    "OMP": lambda: gf.DictionaryLearning(
        12, fit_algorithm="omp", transform_n_nonzero_coefs=2, max_iter=5, tol=0
    ),
    "K-SVD": lambda: gf.DictionaryLearning(
        12, fit_algorithm="ksvd", transform_n_nonzero_coefs=2, max_iter=5, tol=0
    ),
}  # fmt: skip


@pytest.mark.parametrize("form", ["file", "segments", "float32", "CSR"])
@pytest.mark.parametrize("kind", MIXTURES)
def test_other_models_from_several_starts_are_those_in_turn(tmp_path, kind, form):
    X = counts(400, 9, empty_row=False)
    X = {"float32": X.astype(np.float32), "CSR": sp.csr_matrix(X)}.get(form, X)
    data = pieces(X) if form == "segments" else in_file(X, tmp_path)
    model = MIXTURES[kind]().set_params(n_init=4, random_state=3, n_threads=2)
    if isinstance(model, gf.GaussianMixture) and form == "CSR":
        pytest.skip("of dense X alone")
    weights = {} if isinstance(model, gf.DictionaryLearning) else {"sample_weight": np.arange(400) % 3}
    found = {name: value for name, value in vars(model.fit(data, **weights)).items() if name.endswith("_")}
    with gf.checkpoint(tmp_path / "in turn"):
        in_turn = MIXTURES[kind]().set_params(n_init=4, random_state=3).fit(data, **weights)
    for name in ("components_", "means_", "rates_", "weights_", "lower_bound_", "error_"):
        if name in found:
            np.testing.assert_array_equal(found[name], getattr(in_turn, name), err_msg=name)
    if form != "segments":
        whole = MIXTURES[kind]().set_params(n_init=4, random_state=3).fit(X, **weights)
        name = next(name for name in ("components_", "means_", "rates_") if name in found)
        np.testing.assert_array_equal(found[name], getattr(whole, name))


@pytest.mark.parametrize("kind", ["clusters", "random", "Poisson", "dictionary", "KMeans"])
def test_starts_of_other_models_share_reads(kind):
    rows = Counted(counts(400, 9))
    read = {}
    for n_init in (1, 8):
        rows.read = 0
        model = gf.KMeans(8, max_iter=20, tol=0) if kind == "KMeans" else MIXTURES[kind]()
        model.set_params(n_init=n_init, random_state=3).fit(gf.blocks(rows, memory=20_000))
        read[n_init] = rows.read / 400
    assert read[8] < 2.5 * read[1]


def test_a_callback_hears_of_the_most_likely_mixture(tmp_path):
    heard = []
    model = gf.GaussianMixture(3, init_params="random", n_init=4, random_state=0, tol=1e-6, max_iter=500)
    model.set_params(callback=heard.append).fit(in_file(counts(400, 9), tmp_path))
    assert [info.iteration for info in heard] == list(range(1, 1 + len(heard)))
    assert all(b.objective >= a.objective - 1e-9 for a, b in pairwise(heard))
    assert heard[-1].objective == model.lower_bound_


def test_seeds_beside_frozen_centroids_are_those_in_turn(tmp_path):
    path = in_file(counts(400, 9), tmp_path)
    options = {"n_init": 4, "random_state": 0, "frozen": counts(400, 9)[[3, 5]]}
    with gf.checkpoint(tmp_path / "in turn"):
        in_turn = gf.KMeans(6, **options).fit(path)
    beside = gf.KMeans(6, **options).fit(path)
    np.testing.assert_array_equal(beside.cluster_centers_, in_turn.cluster_centers_)


@pytest.mark.parametrize(("k", "fixed"), [(1, 0), (2, 0), (9, 0), (1, 3), (6, 2)])
def test_a_generator_is_where_seeds_would_leave_it(k, fixed):
    X = counts(400, 9)
    drawn, passed = np.random.RandomState(0), np.random.RandomState(0)
    plus_plus(source_of(X, 1), None, k, drawn, fixed=X[:fixed].copy() if fixed else None)
    draw_past(passed, k, fixed)
    assert drawn.random_sample() == passed.random_sample()


def test_a_callback_hears_of_all_clusterings_as_of_one(tmp_path):
    heard = []
    model = gf.KMeans(5, init="random", n_init=5, random_state=0, callback=heard.append)
    model.fit(in_file(counts(400, 9), tmp_path))
    assert [info.iteration for info in heard] == list(range(1, 1 + len(heard)))
    assert len(heard) >= model.n_iter_
    assert heard[-1].objective <= model.history_["objective"][-1]


def test_starts_on_segments_read_no_more_than_one():
    rows = Counted(counts(400, 9))
    read = {}
    for n_init in (1, 5):
        rows.read = 0
        started(n_init).fit(gf.blocks(rows, memory=20_000))
        read[n_init] = rows.read / 400
    assert read[5] < read[1] + 0.5 < 14


def test_a_callback_hears_of_all_starts_as_of_one(tmp_path):
    path, heard = in_file(counts(400, 9), tmp_path), []
    model = started(4, callback=heard.append).fit(path)
    assert [info.iteration for info in heard] == list(range(1, 9))
    assert heard[-1].objective == model.history_["objective"][-1]
    assert all(a.objective >= b.objective for a, b in pairwise(heard))


def test_a_callback_stops_all_starts(tmp_path):
    path = in_file(counts(400, 9), tmp_path)
    assert started(4, callback=lambda info: info.iteration == 3).fit(path).n_iter_ in (3, 4)


def test_starts_that_end_sooner_are_not_waited_for(tmp_path):
    X = counts(400, 9)
    models = [
        gf.NMF(3, init="random", n_init=4, max_iter=2000, tol=1e-3, random_state=0).fit(x)
        for x in (X, in_file(X, tmp_path))
    ]
    np.testing.assert_array_equal(models[0].components_, models[1].components_)


def test_verbose_starts_are_logged_as_one(tmp_path, capsys):
    started(3, verbose=1).fit(in_file(counts(400, 9), tmp_path))
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(",")[0] for line in lines] == [f"Iteration {i}" for i in range(1, 9)]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_an_error_ends_all_starts_and_leaves_the_model_as_it_was(tmp_path, error):
    def fail(info):
        raise error

    model = started(4, callback=fail)
    before = dict(vars(model))
    with pytest.raises(error):
        model.fit(in_file(counts(400, 9), tmp_path))
    assert vars(model) == before


def test_an_interrupt_ends_all_starts(tmp_path):
    import signal

    def interrupt(info):
        if info.iteration == 3:
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    model = started(4, callback=interrupt).set_params(max_iter=10**6)
    with pytest.raises(KeyboardInterrupt):
        model.fit(in_file(counts(400, 9), tmp_path))
    assert not hasattr(model, "components_")


def test_a_file_that_cannot_be_read_on_ends_all_starts():
    class Fails(Counted):
        def __getitem__(self, at):
            if self.read > 2000:
                raise OSError("gone")
            return super().__getitem__(at)

    with pytest.raises(OSError, match="gone"):
        started(4).fit(gf.blocks(Fails(counts(400, 9)), memory=20_000))


@pytest.mark.parametrize("passes", [(3, 3, 3), (1, 5, 2), (4, 0, 1)])
@pytest.mark.parametrize("form", ["file", "segments"])
def test_tasks_may_pass_as_often_as_they_like(tmp_path, passes, form):
    X = counts(400, 9)
    x = source_of(read_rows(in_file(X, tmp_path) if form == "file" else pieces(X), segments=True), 2)
    factor = np.ones((9, 1))

    def task(times, mine):
        return [mine.product(factor) for _ in range(times)]

    for found, times in zip(side_by_side(x, [partial(task, n) for n in passes]), passes, strict=True):
        assert len(found) == times
        for product in found:
            np.testing.assert_array_equal(product, X.sum(axis=1, keepdims=True))


def test_a_pass_that_is_given_up_holds_nobody_up():
    X = counts(400, 9)
    x = source_of(read_rows(pieces(X), segments=True), 1)

    def first_rows(mine):
        return next(iter(mine.segments)).x[:5].copy()

    def all_rows(mine):
        return np.concatenate([part.x for part in mine.segments])

    found = side_by_side(x, [first_rows, all_rows, all_rows])
    np.testing.assert_array_equal(found[0], X[:5])
    np.testing.assert_array_equal(found[2], X)


def test_passes_out_of_step_read_what_they_ask_for():
    X = counts(400, 9)
    x = source_of(read_rows(pieces(X), segments=True), 1)

    def some_rows(count, mine):
        for _ in range(count):
            for part, _ in zip(mine.segments, range(count), strict=False):
                assert part.rows
        return np.concatenate([part.x for part in mine.segments])

    for found in side_by_side(x, [partial(some_rows, count) for count in (0, 1, 2, 3)]):
        np.testing.assert_array_equal(found, X)


def test_who_waits_when_the_others_have_ended_goes_on():
    meeting, turns = Meeting(2), []
    thread = threading.Thread(target=lambda: turns.append(meeting.meet()))
    thread.start()
    meeting.leave()
    thread.join(LIMIT)
    assert turns == [1]
    meeting.end()
    with pytest.raises(Ended):
        meeting.meet()
