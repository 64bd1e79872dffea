"""The dictionary kernels at every level against their NumPy twins, over shapes and types."""

import numpy as np
import pytest
import scipy.sparse as sp
from kernel_cases import by_name
from numpy.testing import assert_allclose, assert_array_equal

from gramfold._core import reference

# rows, columns, atoms: single ones, one past a block of atoms and a row group, tails, several chunks
SHAPES = [(1, 1, 1), (2, 5, 3), (49, 64, 17), (97, 20, 25), (600, 9, 33)]


def close(found, expected, dtype, growth=1.0):
    atol = 300 * growth * np.finfo(dtype).eps * max(1.0, np.abs(expected).max(initial=0))
    assert_allclose(found, expected, rtol=0, atol=atol)


def problem(n, m, k, dtype, seed=0, share=0.2):
    """X, atoms of norm 1, and codes by columns, the first atom without any if there are several."""
    rng = np.random.default_rng(seed)
    atoms = rng.standard_normal((k, m))
    atoms /= np.linalg.norm(atoms, axis=1, keepdims=True)
    z = rng.standard_normal((n, k)) * (rng.random((n, k)) < share)
    z[0, 0] = 1
    if k > 1:
        z[:, 0] = 0
    x = z @ atoms + 0.3 * rng.standard_normal((n, m))
    return x.astype(dtype), atoms.astype(dtype), sp.csc_matrix(z.astype(dtype))


def parts(z):
    return z.data.copy(), z.indices.astype(np.int32), z.indptr.astype(np.int64)


def residual_of(x, atoms, z):
    return np.ascontiguousarray(x - z @ atoms)


RULES = {
    "ball": (0.0, 0.0, False, True),
    "nonneg": (0.0, 0.0, True, True),
    "l1": (0.4, 0.0, False, True),
    "l1 and l2, nonneg": (0.2, 0.7, True, True),
    "l2 without ball": (0.0, 0.7, False, False),
}


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_atoms_are_updated_as_by_the_twin(kernels, dtype, shape, rule):
    x, atoms, z = problem(*shape, dtype)
    gram, products = (z.T @ z).toarray().astype(float), np.ascontiguousarray(z.T @ x)
    found, expected = atoms.copy(), atoms.astype(float)
    by_name(kernels.update_atoms, found, gram, products, *RULES[rule], 1e-6, 3)
    by_name(reference.update_atoms, expected, gram, products.astype(float), *RULES[rule], 1e-6, 3)
    close(found, expected, dtype, 10)
    if len(atoms) > 1:
        assert_array_equal(found[0], atoms[0])  # not used by any code
    if RULES[rule][3]:
        assert np.all(np.linalg.norm(found, axis=1) <= 1 + 1e-6)


@pytest.mark.parametrize("rule", RULES)
def test_an_update_is_a_minimum_over_each_atom(dtype, kernels, rule):
    l1, l2, nonneg, ball = RULES[rule]
    x, atoms, z = problem(97, 12, 4, dtype)
    gram, products = (z.T @ z).toarray().astype(float), np.ascontiguousarray(z.T @ x)
    kernels.update_atoms(
        atoms=atoms,
        gram=gram,
        products=products,
        l1=l1,
        l2=l2,
        nonneg=nonneg,
        ball=ball,
        unused=1e-6,
        sweeps=500,
    )

    def cost(D):
        penalty = l1 * np.abs(D).sum() + 0.5 * l2 * np.sum(D**2)
        return 0.5 * np.vdot(gram, D @ D.T) - np.vdot(products.astype(float), D) + penalty

    best = cost(atoms.astype(float))
    rng = np.random.default_rng(1)
    for _ in range(200):
        other = atoms + 0.01 * rng.standard_normal(atoms.shape)
        other = np.maximum(other, 0) if nonneg else other
        if ball:
            other /= np.maximum(1, np.linalg.norm(other, axis=1, keepdims=True))
        other[0] = atoms[0]  # not used
        assert cost(other.astype(float)) >= best - 1e-5 * abs(best)


def test_repeated_atoms_are_told(kernels):
    atoms = np.random.default_rng(0).standard_normal((30, 9))
    atoms[7], atoms[20], atoms[25], atoms[26] = -2 * atoms[3], atoms[3], 0, 0
    found = kernels.repeated_atoms(gram=atoms @ atoms.T, same=0.9999)
    assert_array_equal(np.flatnonzero(found), [7, 20])


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("weighted", [False, True])
def test_the_residual_is_its_twins(kernels, dtype, shape, weighted):
    x, atoms, z = problem(*shape, dtype)
    w = np.random.default_rng(1).choice([0, 1, 2.5], x.shape).astype(dtype) if weighted else None
    for given in (x, np.asfortranarray(x), x[::-1][::-1]):
        out, expected = np.full_like(x, np.nan), np.empty(x.shape)
        errors = kernels.residual(
            x=given, weights=w, codes=parts(z.tocsr()), atoms=atoms, out=out, n_threads=2
        )
        twin = reference.residual(
            x=x.astype(float),
            weights=w,
            codes=parts(z.tocsr().astype(float)),
            atoms=atoms.astype(float),
            out=expected,
            n_threads=1,
        )
        close(out, expected, dtype)
        assert_allclose(errors, twin, rtol=100 * np.finfo(dtype).eps, atol=1e-12)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_masked_atoms_are_their_twins(kernels, dtype, shape, rule):
    x, atoms, z = problem(*shape, dtype)
    w = np.random.default_rng(1).choice([0, 1, 2.5], x.shape).astype(dtype)
    w[:, 0] = 0  # a column of which nothing is seen
    r = residual_of(x, atoms, z) * (w > 0)
    found, left, expected, twin_left = atoms.copy(), r.copy(), atoms.astype(float), r.astype(float)
    by_name(kernels.masked_atoms, left, w, parts(z), found, *RULES[rule], 1e-6, 2)
    by_name(
        reference.masked_atoms,
        twin_left,
        w.astype(float),
        parts(z.astype(float)),
        expected,
        *RULES[rule],
        1e-6,
        1,
    )
    close(found, expected, dtype, 30)
    close(left, twin_left, dtype, 30)
    assert_array_equal(left[w == 0], 0)


def test_masked_atoms_without_gaps_are_the_update_from_sums(kernels, dtype):
    x, atoms, z = problem(97, 20, 25, dtype)
    for rule in RULES.values():
        found, expected = atoms.copy(), atoms.copy()
        by_name(
            kernels.masked_atoms, residual_of(x, atoms, z), np.ones_like(x), parts(z), found, *rule, 1e-6, 2
        )
        gram, products = (z.T @ z).toarray().astype(float), np.ascontiguousarray(z.T @ x)
        by_name(kernels.update_atoms, expected, gram, products, *rule, 1e-6, 1)
        close(found, expected, dtype, 30)


SIGNS = [(False, False), (True, False), (False, True), (True, True)]


@pytest.mark.parametrize("signs", SIGNS, ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_ksvd_is_its_twin(kernels, dtype, shape, signs):
    x, atoms, z = problem(*shape, dtype)
    if signs[0]:
        z = abs(z)
    r, codes, found = residual_of(x, atoms, z), parts(z), atoms.copy()
    twin_r, twin_codes, expected = r.astype(float), parts(z.astype(float)), atoms.astype(float)
    by_name(kernels.ksvd_atoms, r, codes, found, *signs, 2)
    by_name(reference.ksvd_atoms, twin_r, twin_codes, expected, *signs, 1)
    for ours, theirs in ((found, expected), (codes[0], twin_codes[0]), (r, twin_r)):
        close(ours, theirs, dtype, 100)
    new = sp.csc_matrix((codes[0], *codes[1:]), shape=z.shape)
    close(r, x - new @ found, dtype, 30)


@pytest.mark.parametrize("signs", SIGNS, ids=str)
@pytest.mark.parametrize("hard", [False, True])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_soup_is_its_twin(kernels, dtype, shape, hard, signs):
    x, atoms, z = problem(*shape, dtype)
    r, found = residual_of(x, atoms, z), atoms.copy()
    twin_r, expected = r.astype(float), atoms.astype(float)
    codes = by_name(kernels.soup_atoms, r, parts(z), found, 0.3, hard, *signs, 2)
    twin = by_name(reference.soup_atoms, twin_r, parts(z.astype(float)), expected, 0.3, hard, *signs, 1)
    new, twin = (sp.csc_matrix(c, shape=z.shape).toarray() for c in (codes, twin))
    for ours, theirs in ((found, expected), (new, twin), (r, twin_r)):
        close(ours, theirs, dtype, 100)
    close(r, x - new @ found, dtype, 30)


def test_sweeps_have_the_same_bits_for_any_number_of_threads(compiled, dtype):
    x, atoms, z = problem(3000, 40, 20, dtype, share=0.9)
    w = (np.random.default_rng(1).random(x.shape) < 0.8).astype(dtype)

    def sweeps(n_threads):
        results = []
        r, codes, d = residual_of(x, atoms, z), parts(z), atoms.copy()
        compiled.ksvd_atoms(
            residual=r, codes=codes, atoms=d, nonneg_codes=False, nonneg_atoms=False, n_threads=n_threads
        )
        results += [r, codes[0], d]
        r, d = residual_of(x, atoms, z), atoms.copy()
        results += [
            *compiled.soup_atoms(
                residual=r,
                codes=parts(z),
                atoms=d,
                penalty=0.3,
                hard=True,
                nonneg_codes=False,
                nonneg_atoms=False,
                n_threads=n_threads,
            ),
            r,
            d,
        ]
        r, d = residual_of(x, atoms, z) * w, atoms.copy()
        compiled.masked_atoms(
            residual=r,
            weights=w,
            codes=parts(z),
            atoms=d,
            l1=0.1,
            l2=0.0,
            nonneg=False,
            ball=True,
            unused=1e-6,
            n_threads=n_threads,
        )
        results += [r, d]
        out = np.empty_like(x)
        return [
            *results,
            compiled.residual(
                x=x, weights=w, codes=parts(z.tocsr()), atoms=atoms, out=out, n_threads=n_threads
            ),
            out,
        ]

    first = sweeps(1)
    for n_threads in (2, 5):
        for one, other in zip(first, sweeps(n_threads), strict=True):
            assert_array_equal(one, other)


def test_codes_that_do_not_fit_are_refused(compiled):
    x, atoms, z = problem(20, 5, 4, np.float64)
    data, indices, indptr = parts(z)
    r = residual_of(x, atoms, z)
    for wrong in (
        (data, indices + 20, indptr), (data, indices, indptr[::-1].copy()), (data[1:], indices, indptr),
        (data, indices, indptr[1:]),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=r"ind"):
            compiled.ksvd_atoms(
                residual=r, codes=wrong, atoms=atoms, nonneg_codes=False, nonneg_atoms=False, n_threads=1
            )
