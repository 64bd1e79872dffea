"""The kernels of robust PCA at every level against their NumPy twins: shapes, layouts, types, rules."""

import numpy as np
import pytest
import scipy.sparse as sp
from kernel_cases import spread
from numpy.testing import assert_allclose, assert_array_equal

from gramfold._core import reference
from gramfold.rpca.numbers import Numbers

# single ones; past a row group, a block (192), a chunk (256), a panel (128), a piece of depth (512); wide
SHAPES = [
    (1, 1, 1),
    (1, 9, 3),
    (9, 1, 1),
    (49, 5, 2),
    (193, 31, 5),
    (300, 97, 8),
    (700, 130, 9),
    (40, 200, 0),
    (20, 530, 515),
]
EXACT = Numbers(lam=0.7, mu_old=1.1, mu=1.3, mu_next=1.9)
NUMBERS = {
    "exact": EXACT,
    "relaxed": EXACT._replace(relax=1.6),
    "with noise": EXACT._replace(damping_old=0.9, damping=0.8, relax=1.6),
}
LAYOUTS = {
    "C": np.ascontiguousarray,
    "F": np.asfortranarray,
    "every other row and third column": lambda x: spread(x, 2, 3),
    "backwards": lambda x: np.ascontiguousarray(x[::-1, ::-1])[::-1, ::-1],
}


def data(rows, cols, k, dtype):
    """X with NaN, among them a row and a column, and a column of zeros; z; orthonormal v; f; weights."""
    rng = np.random.default_rng(rows + cols)
    x = rng.standard_normal((rows, cols)) * (rng.random((rows, cols)) < 0.8)
    x[rng.random((rows, cols)) < 0.2] = np.nan
    if rows > 2 and cols > 2:
        x[rows // 2], x[:, cols // 2], x[:, 0] = np.nan, np.nan, 0
    z, v = rng.standard_normal((rows, cols)), np.linalg.qr(rng.standard_normal((cols, max(k, 1))))[0][:, :k]
    weights = rng.random((rows, cols)) + 0.1
    return (*(a.astype(dtype) for a in (x, z, v, weights)), rng.random(k))


def run(
    kernels, x, z, v, f, numbers, *, weights=None, by_row=False, dual=False, q=None, left=None, given=None,
    n_threads=2,
):  # fmt: skip
    """One call; z, left, gram, products, image and sums after it."""
    z = z.copy()
    rows, cols = x.shape
    side = cols if q is None else q.shape[1]
    gram = np.full((side, side), np.nan)
    products = given if q is None else np.full((rows, side), np.nan, x.dtype)
    image = None if products is None else np.full((products.shape[1], cols), np.nan, x.dtype)
    if v is not None and left is None:
        left = np.full((rows, v.shape[1]), np.nan, x.dtype)
    sums = kernels.shrink(
        x=x,
        weights=weights,
        z=z,
        v=v,
        f=f,
        left=left,
        **numbers._asdict(),
        by_row=by_row,
        dual=dual,
        gram=gram,
        q=q,
        products=products,
        image=image,
        n_threads=n_threads,
    )
    return z, left, gram, products, image, np.array(sums)


def as64(a):
    return a.astype(np.float64) if isinstance(a, np.ndarray) else a


def check(kernels, dtype, x, *args, layouts=(np.asarray,), **options):
    """Against the twin in double, for X and weights in each of some layouts."""
    expected = run(reference, as64(x), *map(as64, args), **{name: as64(a) for name, a in options.items()})
    growth, weights = np.sqrt(sum(x.shape)) + 4, options.pop("weights", None)
    for lay in layouts:
        got = run(kernels, lay(x), *args, weights=None if weights is None else lay(weights), **options)
        for mine, theirs in zip(got, expected, strict=True):
            assert (mine is None) == (theirs is None)
            if mine is not None:
                scale = np.abs(theirs).max(initial=0)
                assert_allclose(mine, theirs, rtol=0, atol=16 * growth * np.finfo(dtype).eps * scale)


@pytest.mark.parametrize("numbers", NUMBERS)
@pytest.mark.parametrize("by_row", [False, True], ids=["entries", "rows"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_a_pass_is_its_twin_for_every_shape_and_rule(beside_twin, shape, by_row, numbers):
    kernels, dtype = beside_twin
    x, z, v, weights, f = data(*shape, dtype)
    check(kernels, dtype, x, z, v, f, NUMBERS[numbers], by_row=by_row)
    if not by_row:
        check(kernels, dtype, x, z, v, f, NUMBERS[numbers], weights=weights)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_subspace_products_are_their_twins_for_every_layout(beside_twin, shape):
    kernels, dtype = beside_twin
    x, z, v, weights, f = data(*shape, dtype)
    options = {"weights": weights, "q": v if v.shape[1] else None, "layouts": LAYOUTS.values()}
    check(kernels, dtype, x, z, v, f, NUMBERS["relaxed"], **options)
    left = np.ascontiguousarray(z @ v)
    check(kernels, dtype, x, z, v, None, NUMBERS["relaxed"], left=left, **options)


@pytest.mark.parametrize("by_row", [False, True], ids=["entries", "rows"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_the_image_of_given_rows_is_its_twin_for_every_layout(beside_twin, shape, by_row):
    kernels, dtype = beside_twin
    x, z, v, _, f = data(*shape, dtype)
    left = np.ascontiguousarray(z @ v)
    for k in (1, 12, 30):
        given = np.random.default_rng(k).standard_normal((shape[0], k)).astype(dtype)
        options = {"by_row": by_row, "given": given, "layouts": LAYOUTS.values()}
        check(kernels, dtype, x, z, v, None, NUMBERS["exact"], left=left, **options)
        check(kernels, dtype, x, z, v, f, NUMBERS["with noise"], **options)


@pytest.mark.parametrize("dual", [False, True])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_gram_of_input_and_multipliers_leaves_z_alone(beside_twin, shape, dual):
    kernels, dtype = beside_twin
    x, z, _, weights, _ = data(*shape, dtype)
    before = z.copy()
    check(kernels, dtype, x, z, None, None, NUMBERS["with noise"], weights=weights, dual=dual)
    assert_array_equal(z, before)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("index", [np.int32, np.int64])
@pytest.mark.parametrize("by_row", [False, True], ids=["entries", "rows"])
def test_the_sparse_pass_is_its_twin(beside_twin, shape, index, by_row):
    kernels, dtype = beside_twin
    x, z, v, weights, _ = data(*shape, dtype)
    seen = ~np.isnan(x)
    s = sp.csr_array(seen)
    csr = x[seen], s.indices.astype(index), s.indptr.astype(index), x.shape[1]
    left = np.ascontiguousarray(z @ v)
    weights = None if by_row else weights[seen]
    results = []
    for module, kind in ((kernels, dtype), (reference, np.float64)):
        zs, out = z[seen].astype(kind), np.full(seen.sum(), np.nan, kind)
        w = None if weights is None else weights.astype(kind)
        matrix = (csr[0].astype(kind), *csr[1:])
        sums = module.shrink_sparse(
            x=matrix,
            weights=w,
            z=zs,
            left=left.astype(kind),
            right=v.astype(kind),
            **NUMBERS["with noise"]._asdict(),
            by_row=by_row,
            out=out,
            n_threads=2,
        )
        results.append((zs, out, np.array(sums)))
    for mine, theirs in zip(*results, strict=True):
        scale = np.abs(theirs).max(initial=0)
        assert_allclose(
            mine, theirs, rtol=0, atol=16 * (np.sqrt(sum(x.shape)) + 4) * np.finfo(dtype).eps * scale
        )


def test_a_pass_is_the_same_bits_for_any_number_of_threads(compiled, dtype):
    x, z, v, _, f = data(3000, 97, 8, dtype)
    first = run(compiled, x, z, v, f, NUMBERS["relaxed"], n_threads=1)
    second = run(compiled, x, z, v, f, NUMBERS["relaxed"], q=v, n_threads=1)
    given = np.random.default_rng(0).standard_normal((3000, 30)).astype(dtype)
    third = run(compiled, x, z, v, f, NUMBERS["relaxed"], given=given, n_threads=1)
    for n_threads in (2, 3, 7):
        for one, options in ((first, {}), (second, {"q": v}), (third, {"given": given})):
            other = run(compiled, x, z, v, f, NUMBERS["relaxed"], n_threads=n_threads, **options)
            for a, b in zip(one, other, strict=True):
                assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("z", np.empty((19, 8))), ("v", np.empty((7, 3))), ("f", np.empty(2)), ("f", None),
        ("gram", np.empty((7, 8))), ("weights", np.empty((19, 8))),
    ],
)  # fmt: skip
def test_shapes_that_do_not_fit_are_refused(compiled, name, other):
    x, z, v, _, f = data(20, 8, 3, np.float64)
    nothing = dict.fromkeys(("weights", "left", "q", "products", "image"))
    rule = {"by_row": False, "dual": False, "n_threads": 1, **EXACT._asdict()}
    given = {"x": x, "z": z, "v": v, "f": f, "gram": np.empty((8, 8))} | nothing | rule
    word = "v needs f or left" if other is None else f"{name} must"
    with pytest.raises(ValueError, match=word):
        compiled.shrink(**given | {name: other})
