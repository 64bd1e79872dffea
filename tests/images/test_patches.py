"""Patches against a plain loop, and there and back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from gramfold.images.patches import average, corners, extract


@st.composite
def layouts(draw):
    """Image shape, patch shape, stride up to the patch size, channels."""
    patch = draw(st.tuples(st.integers(1, 5), st.integers(1, 5)))
    size = tuple(p + draw(st.integers(0, 8)) for p in patch)
    stride = tuple(draw(st.integers(1, p)) for p in patch)
    channels = draw(st.booleans())
    many = draw(st.sampled_from([(), (1,), (3,)]))
    return (*many, *size, *((2,) if channels else ())), patch, stride, channels


def images_of(shape, dtype=np.float64):
    return np.random.default_rng(0).standard_normal(shape).astype(dtype)


def loop_extract(images, patch, stride, channels):
    stack = images.reshape(-1, *images.shape[-3 if channels else -2 :])
    rows, columns = corners(stack.shape[1:3], patch, stride=stride)
    return np.array(
        [image[r : r + patch[0], c : c + patch[1]].ravel() for image in stack for r in rows for c in columns]
    )


@given(layouts())
def test_extract_is_the_plain_loop_over_corners(layout):
    shape, patch, stride, channels = layout
    images = images_of(shape)
    patches = extract(images, patch, stride=stride, channels=channels)
    assert patches.flags.c_contiguous
    assert_array_equal(patches, loop_extract(images, patch, stride, channels))


@given(layouts())
def test_overlap_average_restores_float32_images_exactly(layout):
    shape, patch, stride, channels = layout
    images = images_of(shape, np.float32)
    patches = extract(images, patch, stride=stride, channels=channels)
    back = average(patches, shape, patch, stride=stride, channels=channels)
    assert back.dtype == np.float32
    assert_array_equal(back, images)


@given(layouts())
def test_overlap_average_restores_float64_images_to_rounding(layout):
    shape, patch, stride, channels = layout
    images = images_of(shape)
    patches = extract(images, patch, stride=stride, channels=channels)
    back = average(patches, shape, patch, stride=stride, channels=channels)
    # At most 25 copies are added to each pixel, then one division.
    assert_allclose(back, images, rtol=26 * np.finfo(float).eps, atol=0)


@given(layouts())
def test_average_is_the_mean_of_what_covers_the_pixel(layout):
    shape, patch, stride, channels = layout
    patches = images_of(extract(np.zeros(shape), patch, stride=stride, channels=channels).shape)
    index = extract(np.arange(np.prod(shape)).reshape(shape), patch, stride=stride, channels=channels)
    index = index.astype(int).ravel()
    mean = np.bincount(index, weights=patches.ravel()) / np.bincount(index)
    back = average(patches, shape, patch, stride=stride, channels=channels)
    assert_allclose(back.ravel(), mean, rtol=1e-13, atol=1e-14)


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 40))
def test_corners_rise_and_end_flush_with_the_border(length, patch, stride):
    length += patch
    rows, columns = corners((length, patch), (patch, patch), stride=stride)
    assert_array_equal(columns, [0])
    assert rows[0] == 0
    assert rows[-1] == length - patch
    assert (np.diff(rows) >= 1).all()
    assert (np.diff(rows) <= stride).all()


@pytest.mark.parametrize("max_patches", [1, 7, 50])
def test_a_draw_is_a_subsequence_without_repeats(max_patches):
    images = np.arange(2 * 9 * 11.0).reshape(2, 9, 11)
    everything = extract(images, (3, 2))
    some = extract(images, (3, 2), max_patches=max_patches, random_state=0)
    assert len(some) == max_patches
    position = np.searchsorted(everything[:, 0], some[:, 0])
    assert (np.diff(position) > 0).all()
    assert_array_equal(everything[position], some)


def test_a_draw_repeats_with_its_seed_and_changes_with_another():
    images = images_of((20, 20))
    draw = [extract(images, (4, 4), max_patches=30, random_state=seed) for seed in (1, 1, 2)]
    assert_array_equal(draw[0], draw[1])
    assert (draw[0] != draw[2]).any()


def test_a_draw_of_more_than_there_are_gives_all():
    images = images_of((6, 6))
    assert_array_equal(extract(images, (4, 4), max_patches=1000), extract(images, (4, 4)))


def test_a_small_draw_from_a_large_stack_builds_only_its_patches():
    # All the patches would be 4 TB.
    images = np.broadcast_to(np.float32(1), (1000, 1024, 1024))
    assert extract(images, (32, 32), max_patches=5, random_state=0).shape == (5, 1024)


@pytest.mark.parametrize(
    ("given_dtype", "kept"),
    [
        (np.float32, np.float32),
        (np.float64, np.float64),
        (np.float16, np.float32),
        (np.uint8, np.float32),
        (np.int16, np.float32),
        (np.bool_, np.float32),
        (np.int64, np.float64),
    ],
)
def test_dtype_is_float32_where_that_is_exact(given_dtype, kept):
    images = np.ones((4, 4), dtype=given_dtype)
    patches = extract(images, (2, 2))
    assert patches.dtype == kept
    assert average(patches, (4, 4), (2, 2)).dtype == kept


def test_inputs_are_left_alone_and_patches_are_a_copy():
    images = images_of((6, 6), np.float32)
    before = images.copy()
    patches = extract(images, (6, 6))
    patches[:] = 0
    assert_array_equal(images, before)
    ones = np.ones((4, 36))
    average(ones, (4, 6, 6), (6, 6))
    assert_array_equal(ones, 1)


def test_a_missing_pixel_stays_missing_and_touches_no_other():
    images = images_of((7, 7))
    images[3, 3] = np.nan
    back = average(extract(images, (3, 3)), (7, 7), (3, 3))
    assert_array_equal(np.isnan(back), np.isnan(images))


def test_a_stride_beyond_the_patch_extracts_but_does_not_average():
    patches = extract(images_of((9, 9)), (2, 2), stride=5)
    assert patches.shape == (9, 4)
    with pytest.raises(ValueError, match=r"stride 5 is beyond patch_shape \(2, 2\)"):
        average(patches, (9, 9), (2, 2), stride=5)


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((np.ones((4, 4)), (5, 2)), {}, r"patch_shape \(5, 2\) is larger than the image, \(4, 4\)"),
        ((np.ones((4, 4)), (2, 0)), {}, "patch_shape must be at least 1 and whole, got 0"),
        ((np.ones((4, 4)), (2,)), {}, "patch_shape must be two whole numbers"),
        ((np.ones((4, 4)), (2, 2)), {"stride": 0}, "stride must be at least 1"),
        ((np.ones((4, 4)), (2, 2)), {"stride": (1, -1)}, "stride must be at least 1"),
        ((np.ones((4, 4)), (2, 2)), {"stride": 1.5}, "stride must be two whole numbers"),
        ((np.ones((4, 4)), (2, 2)), {"max_patches": 0}, "max_patches must be at least 1"),
        ((np.ones(4), (2, 2)), {}, r"images: expected \(n_images, height, width\)"),
        ((np.ones((4, 4)), (2, 2)), {"channels": True}, "n_channels"),
        ((np.ones((0, 4, 4)), (2, 2)), {}, "an axis is empty"),
    ],
)
def test_extract_names_the_bad_argument(arguments, options, message):
    with pytest.raises(ValueError, match=message):
        extract(*arguments, **options)


def test_average_says_which_shape_it_needs():
    with pytest.raises(ValueError, match=r"shape \(8, 4\).*needs \(9, 4\)"):
        average(np.ones((8, 4)), (4, 4), (2, 2))


def test_complex_images_are_refused():
    with pytest.raises(TypeError, match="images must be real numbers, got dtype complex128"):
        extract(np.ones((4, 4), dtype=complex), (2, 2))
