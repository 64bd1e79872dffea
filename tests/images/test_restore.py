"""Denoising and inpainting from patches."""

import numpy as np
import pytest

import gramfold as gf
from gramfold.images.restore import denoise, inpaint


def picture():
    """A smooth picture with edges, and atoms of a two-dimensional cosine basis, overcomplete."""
    rows, columns = np.mgrid[:48, :48] / 48
    image = np.sin(6 * rows) + np.cos(5 * columns + 3 * rows) + (rows > columns)
    waves = np.cos(np.pi * np.outer(np.arange(8) + 0.5, np.arange(12)) / 12)
    atoms = np.einsum("ai,bj->ijab", waves, waves).reshape(144, 64)[1:]
    atoms -= atoms.mean(axis=1, keepdims=True)
    return image, atoms / np.linalg.norm(atoms, axis=1, keepdims=True)


def error(a, b):
    return float(np.sqrt(np.mean((a - b) ** 2)))


@pytest.mark.parametrize("stride", [1, 3, (2, 8)])
def test_a_denoised_picture_is_nearer_to_the_clean_one(stride):
    image, atoms = picture()
    noisy = image + 0.2 * np.random.default_rng(0).standard_normal(image.shape)
    assert error(denoise(noisy, atoms, (8, 8), sigma=0.2, stride=stride), image) < 0.6 * error(noisy, image)


def test_an_inpainted_picture_keeps_what_is_known_and_fills_the_rest():
    image, atoms = picture()
    known = np.random.default_rng(0).random(image.shape) < 0.6
    filled = inpaint(np.where(known, image, np.nan), known, atoms, (8, 8), alpha=0.01, stride=4)
    assert np.array_equal(filled[known], image[known])
    assert error(filled[~known], image[~known]) < 0.25 * image[~known].std()


def test_what_cannot_be_is_refused_by_name():
    image, atoms = picture()
    with pytest.raises(ValueError, match="sigma must be finite"):
        denoise(image, atoms, (8, 8), sigma=-1.0)
    with pytest.raises(ValueError, match="mask must be boolean"):
        inpaint(image, np.ones((3, 3), bool), atoms, (8, 8), alpha=0.1)
    with pytest.raises(ValueError, match="no pixel known"):
        inpaint(image, np.zeros(image.shape, bool), atoms, (8, 8), alpha=0.1)


def test_the_helpers_are_part_of_the_package():
    assert gf.restore.denoise is denoise
