"""
From a sound back to its score
==============================

A melody is played by an instrument whose tones have overtones. In the spectrogram a note is peaks at its
pitch and its overtones, which come and go together: frequencies times moments, both non-negative. NMF with
the Kullback-Leibler loss is told neither the pitches nor when they sound, only how many there are. It finds a
spectrum for each note, and with it the score. The sound is synthetic, so that the score is known.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.signal import stft

import gramfold as gf

rate = 8000  # samples a second
pitches = {"C": 261.63, "D": 293.66, "E": 329.63, "F": 349.23, "G": 392.00, "A": 440.00}
melody = "C C G G A A G . F F E E D D C . C,E E,G C,E,G F,A C,F C,E"  # a beat each, . is a rest
beats, beat = melody.split(), rate // 4
time = np.arange(beat) / rate
score = np.array([[note in chord.split(",") for chord in beats] for note in pitches])


def tone(pitch):
    """A quarter of a second of a tone with six overtones, that swells, fades and ends."""
    overtones = np.arange(1, 8)[:, None]
    loudness = np.exp(-5 * time) * np.minimum(1, np.minimum(time, time[::-1]) / 0.03)
    return loudness * (np.sin(2 * np.pi * overtones * pitch * time) / overtones).sum(axis=0)


tones = np.array([tone(pitch) for pitch in pitches.values()])
sound = (score.T @ tones).ravel() + 0.01 * np.random.default_rng(0).standard_normal(len(beats) * beat)
frequencies, moments, spectrum = stft(sound, rate, nperseg=1024, noverlap=768)
X = np.abs(spectrum)
print(f"{len(sound) / rate:.1f} seconds of sound: {X.shape[0]} frequencies at {X.shape[1]} moments")

# %%
# One component for each note. The pitch of a component is its lowest strong peak.

model = gf.NMF(
    len(pitches),
    beta_loss="kullback-leibler",
    init="random",
    n_init=5,
    random_state=0,
    max_iter=1000,
    tol=1e-5,
)
spectra = model.fit_transform(X)
strong = spectra > 0.5 * spectra.max(axis=0)
found = frequencies[strong.argmax(axis=0)]
order = np.argsort(found)
for k, (note, pitch) in zip(order, pitches.items(), strict=True):
    print(f"{note}: played at {pitch:.0f} Hz, found at {found[k]:.0f} Hz, to {frequencies[1]:.0f} Hz")
assert np.all(np.abs(found[order] - list(pitches.values())) < frequencies[1])

# %%
# How loud each component is over time, against the score (outlined).

loud = model.components_[order] * spectra[:, order].sum(axis=0)[:, None]
loud /= loud.max(axis=1, keepdims=True)
figure, (above, below) = plt.subplots(2, 1, figsize=(9, 6), sharex=True, layout="constrained")
heard = frequencies < 2000
above.pcolormesh(
    moments, frequencies[heard], 20 * np.log10(X[heard] / X.max() + 1e-4), cmap="magma", rasterized=True
)
above.set_ylabel("frequency in Hz")
above.set_title("The sound: strength of frequencies over time")
below.pcolormesh(moments, np.arange(len(pitches)), loud, cmap="Blues", shading="nearest", rasterized=True)
for note, played in enumerate(score):
    for i in np.flatnonzero(played):
        below.add_patch(
            plt.Rectangle((i * beat / rate, note - 0.4), beat / rate, 0.8, fill=False, color="tab:orange")
        )
below.set_yticks(range(len(pitches)), pitches)
below.set_ylabel("component, named by its pitch")
below.set_xlabel("seconds")
below.set_title("What NMF hears (blue), and what was played (orange)")

plt.show()
