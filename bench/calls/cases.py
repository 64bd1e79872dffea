"""Every case: model, data, size, and how many times the yardstick's speed is asked for."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from bench.calls import inputs, models
from bench.calls.task import Task, small
from bench.frame import Case

READ = 80.0  # % of the read bandwidth that is enough where one read is all there is to do
SKLEARN, EITHER = ("scikit-learn",), ("scikit-learn", "sklearnex")
SMALL_FACTORS = partial(inputs.factors, 100, 10, 3)
SMALL_BLOBS = partial(inputs.blobs, 100, 10, 3, 1.0)
SMALL_DECAYING = partial(inputs.decaying, 100, 10)
FACTORS = partial(inputs.factors, 10_000, 500, 16)
PATCHES = partial(inputs.patches, 100_000)
DOCUMENTS = partial(inputs.text, 60_000, 20_000)


def cases() -> Iterator[Case]:
    """Every case, in the order of the tables."""
    for family in (_nmf, _minibatch_nmf, _kmeans, _minibatch_kmeans, _mixtures, _pca, _incremental_pca, _svd,
                   _robust, _dictionaries, _codes, _ridge):  # fmt: skip
        yield from family()


def _nmf() -> Iterator[Case]:
    model, bars = models.NMF, (6, 8)
    dense = Task(model, "middle", "10000x500 k=16 factors", FACTORS, (16,), bars)
    planted = partial(inputs.planted, 10_000, 500, 16)
    text = Task(model, "large", "60000 documents k=20", DOCUMENTS, (20,), (10, 10))
    yield from small(model, SMALL_FACTORS, 3)
    yield from dense.fit()
    yield from dense.apply()
    yield from Task(model, "middle", "10000x500 k=16 planted", planted, (16,), bars).fit()
    yield from text.fit()
    yield from text.apply()
    yield from Task(model, "large", "100000x256 k=16 patches", PATCHES, (16,), bars).fit()


def _minibatch_nmf() -> Iterator[Case]:
    model, bars = models.MINIBATCH_NMF, (8, 8)
    dense = Task(model, "middle", "10000x500 k=16 factors", FACTORS, (16,), bars)
    yield from small(model, SMALL_FACTORS, 3)
    yield from dense.fit()
    yield from dense.apply()
    yield from Task(model, "large", "60000 documents k=20", DOCUMENTS, (20,), bars, slow=SKLEARN).fit()
    yield from Task(model, "large", "100000x256 k=16 patches", PATCHES, (16,), bars, slow=SKLEARN).fit()


def _kmeans() -> Iterator[Case]:
    model = models.KMEANS
    yield from small(model, SMALL_BLOBS, 3)
    for name, blobs, k, bar in (
        ("10000x500 k=8 blobs", (10_000, 500, 200, 1.0), 8, 6),
        ("10000x500 k=50 blobs", (10_000, 500, 200, 1.0), 50, 6),
        ("10000x500 k=300 blobs", (10_000, 500, 200, 1.0), 300, 6),
        ("1000000x64 k=8 noise", (1_000_000, 64, 1, 0.0), 8, 6),
        ("200000x64 k=50 blobs", (200_000, 64, 200, 0.5), 50, 6),
        ("100000x64 k=300 blobs", (100_000, 64, 200, 1.0), 300, 6),
        ("100000x128 k=1024 blobs", (100_000, 128, 200, 1.0), 1024, 10),
        ("100000x128 k=1024 clusters", (100_000, 128, 1024, 3.0), 1024, 10),
        ("60000x1024 k=2000 blobs", (60_000, 1024, 200, 1.0), 2000, 10),
    ):
        size, slow = "middle" if blobs[0] == 10_000 else "large", EITHER if k > 300 else ()
        task = Task(model, size, name, partial(inputs.blobs, *blobs), (k,), (bar, bar), slow=slow)
        yield from task.fit()
        if size == "middle":
            yield from task.apply()
            yield from replace(task, model=models.KMEANS_DISTANCES, bars=(1, 1)).apply()


def _minibatch_kmeans() -> Iterator[Case]:
    model, bars = models.MINIBATCH_KMEANS, (3, 3)
    yield from small(model, SMALL_BLOBS, 3)
    middle, large = (partial(inputs.blobs, n, d, 200, 0.5) for n, d in ((10_000, 500), (1_000_000, 64)))
    task = Task(model, "middle", "10000x500 k=50 blobs", middle, (50,), bars)
    yield from task.fit()
    yield from task.apply()
    yield from Task(model, "large", "1000000x64 k=50 blobs", large, (50,), bars).fit()


def _mixtures() -> Iterator[Case]:
    middle, large = (partial(inputs.blobs, n, d, 30, 0.5) for n, d in ((10_000, 50), (500_000, 64)))
    for kind, model in models.GAUSSIANS.items():
        bars = (15, 15) if kind == "full" else (6, 6)
        task = Task(model, "middle", "10000x50 k=10 blobs", middle, (10,), bars)
        yield from small(model, SMALL_BLOBS, 3)
        yield from task.fit()
        yield from task.apply()
        yield from Task(model, "large", "500000x64 k=10 blobs", large, (10,), bars, slow=SKLEARN).fit()
    yield from small(models.POISSON, partial(inputs.counts, 100, 10, 3), 3)
    for n, size in ((10_000, "middle"), (500_000, "large")):
        counts = partial(inputs.counts, n, 50, 10)
        task = Task(models.POISSON, size, f"{n}x50 k=10 counts", counts, (10,), (6, 6), slow=("pomegranate",))
        yield from task.fit()


def _pca() -> Iterator[Case]:
    model = models.PCA
    yield from small(model, SMALL_DECAYING, 3)
    yield from Task(model, "middle", "10000x500 all", partial(inputs.noise, 10_000, 500), (), (2, 2)).fit()
    for n, m, k, size in (
        (100_000, 64, 10, "middle"), (1_000_000, 64, 10, "large"), (20_000, 1_000, 20, "large"),
        (5_000, 3_000, 50, "large"),
    ):  # fmt: skip
        name, make = f"{n}x{m} k={k} decaying", partial(inputs.decaying, n, m)
        task = Task(model, size, name, make, (k,), (2, 2), READ)
        yield from task.fit()
        if m == 64:
            yield from task.apply()


def _incremental_pca() -> Iterator[Case]:
    model = models.INCREMENTAL_PCA
    yield from small(model, SMALL_DECAYING, 3)
    for n, m, size in ((10_000, 500, "middle"), (100_000, 64, "middle"), (1_000_000, 64, "large")):
        make = partial(inputs.decaying, n, m)
        yield from Task(model, size, f"{n}x{m} k=10 decaying", make, (10,), (5, 5)).fit()


def _svd() -> Iterator[Case]:
    model, bars = models.TRUNCATED_SVD, (3, 3)
    yield from small(model, SMALL_DECAYING, 3)
    dense = Task(
        model, "middle", "10000x500 k=20 decaying", partial(inputs.decaying, 10_000, 500), (20,), bars, READ
    )
    yield from dense.fit()
    yield from dense.apply()
    for name, make, size in (
        ("CSR 300x6000 k=20", partial(inputs.sparse_noise, 300, 6_000, 0.01), "middle"),
        ("CSR 200000x500 k=20", partial(inputs.sparse_noise, 200_000, 500, 0.02), "large"),
        ("60000 documents k=20", DOCUMENTS, "large"),
    ):
        yield from Task(model, size, name, make, (20,), bars).fit()


def _robust() -> Iterator[Case]:
    """In float64 alone: pyrpca's tolerance is beyond float32."""
    model, pyrpca = models.ROBUST_PCA, ("pyrpca",)
    yield from Task(model, "small", "100x10", partial(inputs.corrupted, 100, 10, 1)).fit("float64")
    for n, m, rank, size, slow in (
        (1_000, 1_000, 50, "middle", ()), (2_000, 2_000, 100, "large", pyrpca),
        (20_000, 200, 10, "large", pyrpca),
    ):  # fmt: skip
        make = partial(inputs.corrupted, n, m, rank)
        yield from Task(model, size, f"{n}x{m} rank {rank}", make, (), (20, 20), slow=slow).fit("float64")


def _dictionaries() -> Iterator[Case]:
    model, batches = models.DICTIONARY, models.MINIBATCH_DICTIONARY
    middle, large = (partial(inputs.details, n) for n in (2_000, 102_400))
    yield from small(model, SMALL_BLOBS, 5)
    task = Task(model, "middle", "2000x64 k=32 details", middle, (32,), slow=SKLEARN)
    yield from task.fit()
    yield from small(batches, SMALL_BLOBS, 5)
    yield from Task(batches, "middle", "2000x64 k=32 details", middle, (32,), (50, 50), slow=SKLEARN).fit()
    yield from Task(batches, "middle", "2000x64 k=32 details", middle, (32,)).apply()
    name = "102400x64 k=128 details"
    yield from Task(batches, "large", name, large, (128,), (50, 50), slow=SKLEARN).fit()
    yield from Task(models.SPAMS_DICTIONARY, "large", name, large, (128,), (2, 2)).fit()


def _codes() -> Iterator[Case]:
    for n, size in ((2_000, "middle"), (102_400, "large")):
        make = partial(inputs.coded_details, n, 128)
        slow = SKLEARN if size == "large" else ()
        yield from Task(models.CODES, size, f"{n}x64 k=128 details", make, (), (2, 2), slow=slow).apply()


def _ridge() -> Iterator[Case]:
    model = models.RIDGE
    yield from small(model, partial(inputs.regression, 100, 10, 1, 1.0))
    for n, p, targets, density, size in (
        (10_000, 500, 1, 1.0, "middle"), (10_000, 500, 300, 1.0, "middle"),
        (500_000, 100, 1, 1.0, "large"), (200_000, 100, 300, 1.0, "large"),
        (200_000, 500, 1, 0.02, "large"), (200_000, 500, 300, 0.02, "large"),
    ):  # fmt: skip
        name = f"{'CSR ' if density < 1 else ''}{n}x{p} targets={targets}"
        make = partial(inputs.regression, n, p, targets, density)
        task = Task(model, size, name, make, (), (2, 2), READ)
        yield from task.fit()
        if size == "middle":
            yield from task.apply()
