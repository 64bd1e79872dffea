"""Calls of every kernel with arguments of all sorts, made from the stub, in a process of its own.

    python kernel_fuzz.py LEVEL FILE FIRST COUNT

makes the calls FIRST to FIRST + COUNT - 1 and keeps the number of the one at work in FILE.
"""

import ast
import json
import os
import sys
import traceback
import warnings
from pathlib import Path

import numpy as np

from gramfold import _core

TREE = ast.parse((Path(_core.__file__).parent / "_core.pyi").read_text())
STUB = {f.name: {a.arg: ast.unparse(a.annotation) for a in f.args.args + f.args.kwonlyargs} for f in TREE.body
        if isinstance(f, ast.FunctionDef)}  # fmt: skip

# Shapes that fit, in sides: n rows, d columns, k and q components, l candidates, g groups, t targets, e
# stored entries, b blocks; of a sketch p places, w words of each, u balls; others are drawn at random.
SHAPES = {
    "x": "nd", "p": "nk", "f": "dk", "gram": "kk", "inverse": "kk", "start": "nk", "previous": "nk", "out":
    "nk",
    "sums": "dk", "enough": "n", "dense": "nk", "atoms": "kd", "products": "kd", "weights": "n", "residual":
    "nd",
    "num": "dk", "den": "dk", "scale": "k", "slope": "k", "bias": "k", "exposure": "n", "given": "nk",
    "resp": "nk",
    "score": "n", "labels": "n", "totals": "n", "factorials": "n", "shift": "d", "centers": "kd",
    "constants": "k",
    "about": "kd", "first": "kd", "second": "kd", "factor": "kd", "lower": "ng", "upper": "n", "order": "k",
    "moved": "k",
    "distances": "n", "candidates": "ld", "closest": "n", "codes": "pw", "known": "4p", "balls": "2u",
    "uniform": "tl", "chosen": "t", "marks": "n", "bits": "l", "gains": "2l", "z": "nd", "v": "dk",
    "left": "nk", "right": "dk", "q": "dq", "image": "qd", "total": "d", "columns": "e", "starts": "r", "y":
    "nt",
    "w": "nk", "h": "kd", "doubtful": "n", "groups": "n", "lists": "kg",
    "counts": "k", "mean": "d", "steps": "k",
}  # fmt: skip
OWN = {
    "residual": {"weights": "nd", "out": "nd"}, "masked_atoms": {"weights": "nd"}, "masked_hals":
    {"weights": "nd"},
    "assign": {"sums": "kd"}, "seed": {"out": "ln", "sums": "bl"}, "sketch": {"order": "n"}, "sift":
    {"order": "n"}, "draw_seeds": {"order": "n", "sums": "b"}, "move_centers": {"sums": "kd", "out": "kd"},
    "shrink": {"weights": "nd", "f": "k", "gram": "qq", "products": "nq"},
    "centred": {"gram": "qq", "products": "nq"}, "shrink_sparse": {"weights": "e", "z": "e", "out": "e"},
    "products": {"image": "dk"}, "scanned_products": {"image": "dk"}, "moments": {"shift": "s"},
    "misfit": {"shift": "s", "coefs": "dt"}, "gaussian_mixture": {"scale": "d"},
    "truncated_mixture": {"scale": "d"},
    "orthogonal_rows": {"y": "nd", "codes": "nk", "ended": "n"},
}  # fmt: skip
FACTORS = {"full": "kdd", "tied": "dd", "diag": "kd", "spherical": "k"}
KINDS = {"int32": np.int32, "int64": np.int64, "float32": np.float32, "_Double": np.float64,
         "bool_": np.bool_, "uint16": np.uint16}  # fmt: skip


class Case:
    """One call; `sides` are used instead of those that are drawn."""

    def __init__(self, number, *, sound=False, sides=()):
        self.rng = rng = np.random.default_rng(number)
        self.kernel = list(STUB)[number % len(STUB)]
        small = [0, 1, 2, 3, 7, 16, 33, 50]
        side = {c: int(rng.choice(small)) for c in "ndklgqt"}
        if rng.random() < 0.7:
            side = {c: max(1, s) for c, s in side.items()}
        side["n"] = int(rng.choice([side["n"], 97, 500]))
        side |= dict(sides)
        side["g"] = min(side["g"], side["k"])
        balls = -(-side["n"] // 48)
        side |= {"r": side["n"] + 1, "b": -(-side["n"] // 96), "p": (balls - (-balls // 48)) * 48, "u": balls}
        side |= {"s": side["d"] + side["t"], "w": -(-side["d"] // 4), "2": 2, "4": 4}
        counts = rng.integers(0, side["d"] + 1, side["n"])
        self.starts = np.concatenate([[0], np.cumsum(counts)])
        self.side = side | {"e": int(self.starts[-1])}
        self.dtype = rng.choice([np.float32, np.float64])
        self.kind = rng.choice(list(FACTORS))
        wanted = STUB[self.kernel]
        self.spoilt = set(rng.permutation(list(wanted))[: rng.choice([0, 0, 1, 1, 2, 3]) * (not sound)])
        self.arguments = {name: self.argument(name, kind) for name, kind in wanted.items()}
        if self.kernel == "assign" and not self.spoilt:
            self.agree(**self.arguments)
        if self.kernel == "draw_seeds" and not self.spoilt:
            sifted = rng.random() < 0.6
            for name in ("labels", "shift", "order", "codes", "known", "balls", "marks"):
                self.arguments[name] = self.array(name, wanted[name]) if sifted else None

    def agree(self, *, lower, upper, moved, n_far, look, sums, **_):
        """Let bounds of k-means be such as go together."""
        if lower is None or sums is None:
            upper = None
        if lower is None or not (look or upper is not None):
            moved = None
        self.arguments |= {"upper": upper, "moved": moved if moved is None else np.abs(np.nan_to_num(moved))}
        self.arguments["n_far"] = 0 if moved is None else n_far
        if upper is not None:
            self.arguments["distances"] = None
        if moved is not None and self.side["g"] != 1:
            self.arguments["look"] = True

    def argument(self, name, kind):
        value = self.sound(name, kind)
        return self.spoil(value, name) if name in self.spoilt else value

    def sound(self, name, kind):
        rng, side = self.rng, self.side
        if name == "codes" and "tuple" in kind:
            by_row = self.kernel == "residual"
            return self.compressed(*("nk" if by_row else "kn"))
        if "tuple" in kind and (rng.random() < 0.4 or "_Array |" not in kind):
            index = rng.choice([np.int32, np.int64])
            columns = rng.integers(0, max(1, side["d"]), side["e"]).astype(index)
            return self.fill((side["e"],), self.dtype), columns, self.starts.astype(index), side["d"]
        if "None" in kind and rng.random() < 0.3:
            return None
        if "rray" in kind or "_Double" in kind:
            return self.array(name, kind)
        return {
            "bool": lambda: bool(rng.integers(2)),
            "str": lambda: str(self.kind),
            "float": lambda: (
                float(rng.choice([0.0, 1e-3, 0.5, 1.0, 2.0])) * (0.0 if name == "seconds" else 1)
            ),
            "int": lambda: side["d"] if name == "cols" else int(rng.choice([1, 1, 2, 3])),
        }[kind]()

    def array(self, name, kind):
        shape = OWN.get(self.kernel, {}).get(name, SHAPES.get(name))
        if name == "factor":
            shape = FACTORS[str(self.kind)]
        if name == "second" and self.kind in ("full", "tied"):
            shape = "kdd"
        if name == "gram" and self.kernel in ("shrink", "centred") and self.rng.random() < 0.5:
            shape = "dd"
        if shape is None:
            shape = self.rng.choice(list("ndk"), self.rng.integers(1, 3))
        dtype = next((found for word, found in KINDS.items() if word in kind), self.dtype)
        sides = tuple(self.side[c] for c in shape)
        if name == "order":
            return self.rng.permutation(sides[0]).astype(dtype)
        if name == "starts":
            return self.starts.copy()
        if name == "columns":
            return self.rng.integers(0, max(1, self.side["d"]), sides)
        return self.fill(sides, dtype)

    def compressed(self, major, minor):
        counts = self.rng.integers(0, self.side[minor] + 1, self.side[major])
        indices = [self.rng.permutation(self.side[minor])[:n] for n in counts]
        starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        return (self.fill((int(starts[-1]),), self.dtype),
                np.concatenate([np.zeros(0, int), *indices]).astype(np.int32), starts)  # fmt: skip

    def fill(self, shape, dtype):
        rng = self.rng
        if np.issubdtype(dtype, np.integer):
            return rng.integers(0, max(1, self.side["k"]), shape).astype(dtype)
        values = rng.standard_normal(shape)
        style = rng.choice(["normal", "positive", "zero", "gaps", "huge", "tiny", "square"])
        if style == "gaps":
            values[rng.random(shape) < 0.2] = rng.choice([np.nan, np.inf])
        elif style == "square" and len(shape) == 2 and shape[0] == shape[1]:
            values = values @ values.T + np.eye(len(values))
        else:
            values = {"positive": np.abs(values), "zero": 0 * values, "huge": 1e30 * values,
                      "tiny": 1e-40 * values}.get(style, values)  # fmt: skip
        return np.ascontiguousarray(values, dtype)

    def spoil(self, value, name):
        rng = self.rng
        if isinstance(value, tuple):
            parts = list(value)
            i = int(rng.integers(len(parts)))
            if i == 1:  # indices in range are the caller's duty
                parts[1] = rng.choice([parts[1][:-1], parts[1][::-1]][rng.integers(2)][None], 1)[0]
            elif i == 3:
                parts[3] = rng.choice([-1, 0, 2**40]) if not len(parts[0]) else -1
            else:
                parts[i] = self.spoil(parts[i], "part")
            return [tuple(parts), tuple(parts[:-1]), tuple(parts), None, 3][rng.integers(5)]
        if isinstance(value, np.ndarray):
            misplaced = np.zeros(value.nbytes + 1, np.uint8)[1:].view(value.dtype).reshape(value.shape)
            wide = np.repeat(value, 2, axis=-1)[..., ::2] if value.ndim else value
            locked = value.copy()
            locked.flags.writeable = False
            other = tuple(rng.choice([0, 1, 2, 5, 40], rng.integers(0, 4)))
            return [
                None, value[:-1], value[..., :-1], np.asfortranarray(value), wide, misplaced, locked,
                value[None],
                value.ravel(), value[::-1], value.astype("f4" if value.dtype == np.float64 else "f8"),
                np.nan_to_num(value).astype(int), value.astype(">f8"), value.astype(object), value.tolist(),
                np.broadcast_to(value.dtype.type(0), value.shape), self.fill(other, value.dtype), "x",
                value - value.dtype.type(3) if value.dtype.kind == "i" else value * np.nan,
            ][rng.integers(19)]  # fmt: skip
        if name == "seconds":
            return [-1.0, float("nan"), float("inf"), None][rng.integers(4)]
        return [
            None, "x", -1, 0, -(2**31), 2**70, float("nan"), float("inf"), -1.0, 1e300, -1e-300, True,
            np.ones(2), (),
        ][rng.integers(14)]  # fmt: skip

    def __str__(self):
        return f"{self.kernel}, spoilt: {sorted(self.spoilt)}\n" + "\n".join(
            f"  {name}: {describe(value)}" for name, value in self.arguments.items()
        )


def describe(value):
    if isinstance(value, np.ndarray):
        return f"{value.dtype}{value.shape} strides {value.strides} aligned {value.flags.aligned}"
    return f"({', '.join(map(describe, value))})" if isinstance(value, tuple) else repr(value)


def main(level, file, first, count):
    kernels, trace = _core.load(level), os.open(file, os.O_CREAT | os.O_WRONLY)
    np.seterr(all="ignore")
    warnings.simplefilter("ignore")
    returned = dict.fromkeys(STUB, 0)
    for number in range(first, first + count):
        os.pwrite(trace, b"%12d" % number, 0)
        case = Case(number)
        try:
            getattr(kernels, case.kernel)(**case.arguments)
            returned[case.kernel] += 1
        except (ValueError, TypeError, MemoryError):
            pass
        except BaseException:
            traceback.print_exc()
            print(case, file=sys.stderr)
            return 1
    print(json.dumps(returned))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
