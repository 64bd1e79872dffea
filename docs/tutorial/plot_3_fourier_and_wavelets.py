r"""
3. Fourier against wavelets: a basis that suits the signal
==========================================================

In an orthonormal basis :math:`D` a signal is :math:`x = D^\top z` with :math:`z = Dx`, and lengths are kept
(Parseval): :math:`|x| = |z|`. So the best approximation by :math:`k` atoms keeps the :math:`k` largest
coefficients, and its error is the length of those that are left out:

.. math:: \min_{|c|_0 \le k} |x - D^\top c|^2 = \sum_{i \notin K} z_i^2 .

No fit is needed. What matters is the choice of :math:`D`: sines and cosines last for ever, wavelets are
short. Two signals that come with PyWavelets: an electrocardiogram, whose beats are short, and the temperature
of the Pacific, which swings with the seasons.
"""

import matplotlib.pyplot as plt
import numpy as np
import pywt.data

import gramfold as gf

signals = {
    "electrocardiogram": pywt.data.ecg()[:512].astype(float),
    "sea temperature": pywt.data.nino()[1][:128].astype(float),
}
signals = {name: (x - x.mean()) / x.std() for name, x in signals.items()}
names = ["fourier", "dct", "haar", "db4"]

# %%
# The signals (grey), and what the 24 largest coefficients keep of them (blue):

for ax in gf.plot.basis_comparison(signals, n_nonzero=24, bases=names)[-1]:
    ax.set_xlabel("sample")

# %%
# The error for any number of atoms is what is left of the sorted squares.

figure, axes = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
needed = {}
for ax, (signal, x) in zip(axes, signals.items(), strict=True):
    for name in names:
        basis = gf.OrthoBasis(name, len(x))
        z = basis.analyze(x)
        np.testing.assert_allclose(np.linalg.norm(z), np.linalg.norm(x))
        left = np.sqrt(np.append(np.cumsum(np.sort(z**2))[::-1], 0)) / np.linalg.norm(x)
        kept = basis.synthesize(basis.encode(x, n_nonzero=24))
        np.testing.assert_allclose(np.linalg.norm(x - kept) / np.linalg.norm(x), left[24])
        needed[signal, name] = int(np.argmax(left < 0.1))
        ax.plot(left, label=name)
    ax.axhline(0.1, color="0.8", zorder=0)
    ax.set_xlim(0, 100)
    ax.set_yscale("log")
    ax.set_ylim(4e-2, 1.1)
    ax.set_xlabel("atoms")
    ax.set_ylabel("relative error")
    ax.set_title(signal)
axes[1].legend(frameon=False)

# %%
# How many atoms leave a tenth of the signal:

for signal, x in signals.items():
    print(f"{signal}, {len(x)} samples: " + ", ".join(f"{name} {needed[signal, name]}" for name in names))
assert needed["electrocardiogram", "db4"] < needed["electrocardiogram", "fourier"]
assert needed["sea temperature", "fourier"] < needed["sea temperature", "db4"]

# %%
# The price of an atom may also be a penalty. Because the basis is orthonormal, the lasso splits into one
# problem for each coefficient, and its solution is the soft threshold :math:`\operatorname{sign}(z) \max(|z|
# - \lambda, 0)`, which a solver that knows nothing of bases must find, too:

x = signals["electrocardiogram"]
basis = gf.OrthoBasis("db4", len(x))
atoms = basis.synthesize(np.eye(len(x)))
soft = basis.encode(x, threshold=0.5, mode="soft")
lasso = gf.encode(x[None], atoms, l1=0.5, nonneg=False)[0]
np.testing.assert_allclose(lasso, soft, atol=1e-6)
print(f"atoms: {np.count_nonzero(soft)} by soft threshold, {np.count_nonzero(lasso)} by the lasso")

plt.show()
