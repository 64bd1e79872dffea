"""Poisson and Gaussian mixtures by EM."""
