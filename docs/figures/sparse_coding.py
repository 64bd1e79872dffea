"""Penalties against a loss, and what few coefficients keep of two signals in four bases."""

import matplotlib.pyplot as plt

import gramfold as gf

gf.plot.penalty_contours(axes=plt.figure(figsize=(8, 4)).subplots(1, 2))
gf.plot.basis_comparison(axes=plt.figure(figsize=(9.5, 4)).subplots(2, 4, sharey="row"))
