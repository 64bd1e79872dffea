"""Segments are read one ahead, no more than two are in memory, and each pass reads every row once."""

import threading
import time
import weakref

import format_cases as files
import numpy as np
import pytest
import scipy.sparse as sp
from format_cases import COLS, DENSE, ROWS, small
from segment_cases import Kept, cut, read

import gramfold as gf
from gramfold.fold.engine import run
from gramfold.fold.segments import source_of
from gramfold.io.parts import Ahead, Parts

STEPS = [(0, 50), (50, 100), (100, 150), (150, 200), (200, 230)]


class Counted(Kept):
    """Rows that know how many segments of them are in memory."""

    alive, most = (), 0

    def __getitem__(self, at):
        found = super().__getitem__(at)
        time.sleep(0.001)  # for a loop to let go of the segment before
        self.alive = [ref for ref in (*self.alive, weakref.ref(found)) if ref() is not None]
        self.most = max(self.most, len(self.alive))
        return found


@pytest.mark.parametrize(
    "model",
    [
        gf.PCA(2),
        gf.NMF(2, max_iter=3, tol=0),
        gf.KMeans(3, max_iter=3, random_state=0),
        gf.GaussianMixture(2, covariance_type="diag", max_iter=3),
        gf.Ridge(),
        gf.TruncatedSVD(2),
        gf.PoissonMixture(2, max_iter=3, random_state=0),
        gf.DictionaryLearning(3, max_iter=2, random_state=0),
    ],
    ids=lambda model: type(model).__name__,
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_no_more_than_two_segments_are_in_memory(model):
    rows = Counted(np.rint(files.rows(np.float64)))
    model.fit(gf.blocks(rows, memory=8 * 20 * COLS * 8), np.arange(ROWS))
    assert len(rows.reads) >= 12
    assert rows.most <= 2


def test_the_next_segment_is_read_while_one_is_worked_on():
    started = [threading.Event() for _ in STEPS]

    class Told(Kept):
        def __getitem__(self, at):
            if at.stop:
                started[STEPS.index((at.start, at.stop))].set()
            return super().__getitem__(at)

    source = source_of(gf.blocks(Told(files.rows()), memory=8 * 50 * COLS * 4), 1)
    numbers = iter(range(len(STEPS)))

    def wait(segment, shared, state):
        i = next(numbers)
        return int(started[min(i + 1, len(STEPS) - 1)].wait(60))

    assert run(wait, source) == len(STEPS)


def test_a_pass_reads_every_row_once_every_second_one_from_the_end_and_what_fits_into_a_segment_never_again():
    rows = Kept(files.rows())
    blocks = gf.blocks(rows, memory=8 * 50 * COLS * 4)
    rows.reads.clear()
    for _ in range(3):
        run(lambda segment, shared, state: segment.rows, source_of(blocks, 1))
    assert rows.reads == STEPS + STEPS[::-1] + STEPS
    rows.reads.clear()
    blocks = gf.blocks(rows)
    gf.NMF(2, max_iter=5, tol=0).fit(blocks)
    assert rows.reads == [(0, 0), (0, ROWS)]


def test_numbers_are_looked_at_in_the_first_pass_and_cost_none_of_their_own():
    rows = Kept(np.random.default_rng(0).random((2000, 4)))
    blocks = gf.blocks(rows, memory=8 * 500 * 4 * 8)
    rows.reads.clear()
    gf.PCA(2).fit(blocks)
    first, *rest = rows.reads
    assert first[1] < 500  # the rows whose mean is near that of all
    assert rest == [(0, 500), (500, 1000), (1000, 1500), (1500, 2000)]


def test_segments_are_whole_chunks(tmp_path):
    spans = [(at.start, at.stop) for at in small(files.hdf5(tmp_path, files.rows(), chunks=(8, 2))).spans]
    assert {start % 8 for start, _ in spans} == {0}
    assert max(stop - start for start, stop in spans) == 8192 // 8 // (COLS * 4) // 8 * 8
    path = DENSE["zarr, sharded"](tmp_path, files.rows())
    assert {at.start % 50 for at in small(path).spans} == {0}


@pytest.mark.parametrize("form", [np.asarray, sp.csr_array], ids=["dense", "CSR"])
def test_views_changes_and_sums_are_those_of_segments_in_memory(form):
    X = form(np.where(files.rows(np.float64) > 40, files.rows(np.float64), 0))
    lazy, held = source_of(read(X, 50), 1), source_of(cut(X, 50), 1)
    assert isinstance(lazy.parts, Parts)
    assert not lazy.held
    F, G = np.random.default_rng(1).random((COLS, 2)), np.random.default_rng(2).random((ROWS, 2))
    scale = np.arange(1.0, ROWS + 1)

    def state_added(x, state):
        return x * state["scale"][:, None]

    def same(one, other):
        assert (one.rows, one.cols, one.entries) == (other.rows, other.cols, other.entries)
        assert (one._scan, one.largest) == (other._scan, other.largest)
        np.testing.assert_array_equal(one.take(slice(None)), other.take(slice(None)))
        np.testing.assert_array_equal(one.product(F), other.product(F))
        np.testing.assert_array_equal(one.gram_product(F), other.gram_product(F))
        np.testing.assert_array_equal(
            one.transposed.product(G[: one.rows]), other.transposed.product(G[: one.rows])
        )

    same(lazy, held)
    same(lazy.some(slice(30, 170)), held.some(slice(30, 170)))
    same(lazy.some(slice(0, 40)).some(slice(5, 7)), held.some(slice(5, 7)))
    same(lazy.some([228, 3, 50]), held.some([228, 3, 50]))
    assert lazy.some(slice(60, 60)).shape == held.some(slice(60, 60)).shape == (0, COLS)
    assert lazy.some(slice(230, 300)).take(slice(None)).shape == (0, COLS)
    same(lazy.scaled_rows(scale), held.scaled_rows(scale))
    same(lazy.scaled_rows(scale).some(slice(60, 99)), held.scaled_rows(scale).some(slice(60, 99)))
    same(lazy.times_power(3), held.times_power(3))
    if not lazy.sparse:
        same(lazy.mapped(state_added, {"scale": scale}), held.mapped(state_added, {"scale": scale}))
        indices = [200, 7, 7]
        np.testing.assert_array_equal(lazy.scaled_rows(scale).take(indices), (X * scale[:, None])[indices])


def test_columns_of_a_wide_matrix_are_gathered_in_few_reads(monkeypatch):
    X = np.random.default_rng(0).random((60, 400))
    monkeypatch.setattr("gramfold.fold.columns.ENTRIES", 60 * 16)
    rows = Kept(X)
    blocks = gf.blocks(rows, memory=8 * 20 * X[0].nbytes)
    rows.reads.clear()
    found = run(lambda part, shared, state: part.x.sum(), source_of(blocks, 1).transposed)
    np.testing.assert_allclose(found, X.sum())
    assert rows.reads == [(0, 20), (20, 40), (40, 60)]


def test_parquet_is_decoded_in_batches_far_smaller_than_a_row_group(tmp_path, monkeypatch):
    from pyarrow import parquet

    sizes = []

    class Noting(parquet.ParquetFile):
        def iter_batches(self, *arguments, **options):
            for batch in super().iter_batches(*arguments, **options):
                sizes.append(batch.num_rows)
                yield batch

    parquet.write_table(files.table(files.rows()), tmp_path / "x.parquet")
    blocks = small(tmp_path / "x.parquet")
    monkeypatch.setattr(parquet, "ParquetFile", Noting)
    np.testing.assert_array_equal(files.whole(blocks), files.rows())
    assert max(sizes) == 1024 // (COLS * 4)
    assert sum(sizes) == ROWS


def test_a_thread_that_ends_without_a_word_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(Ahead, "_run", lambda self, read, order: None)
    with pytest.raises(MemoryError, match="the thread that reads ahead has ended"):
        Ahead(lambda i: i, [0, 1]).next()
