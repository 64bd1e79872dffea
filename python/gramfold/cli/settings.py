"""A model from the arguments: parameters by their options, and all of them by --set."""

import argparse
import ast
import difflib
import inspect
from typing import Any

from .errors import UsageError
from .families import Family
from .jobs import Job

WORDS = {"true": True, "false": False, "none": None, "null": None}


def model_of(command: argparse.Namespace, family: Family, job: Job) -> Any:
    """The model that a job fits.

    Raises
    ------
    UsageError
        If it has no such parameter, or one is given twice.
    """
    import gramfold

    cls = getattr(gramfold, family.model)
    known = list(inspect.signature(cls).parameters)
    given = _options(command, family, job, known)
    for text in command.settings:
        name, sign, value = text.partition("=")
        if not sign:
            raise UsageError(f"--set needs NAME=VALUE, got {text!r}")
        _check_name(name, known, command.name)
        if name in given:
            raise UsageError(f"{name} is given twice, by --set and by its option")
        given[name] = _value(name, value)
    if given.get("output", "dense") != "dense":
        raise UsageError("output must be 'dense' here: results of rows are written as arrays")
    given.setdefault("random_state", command.seed or 0)
    if "random_state" in known and isinstance(given["random_state"], int):
        given["random_state"] += job.restart
    if getattr(command, "restarts", 1) > 1 and family.init == "init":
        given.setdefault("init", family.restarts)
    return cls(**{name: value for name, value in given.items() if name in known})


def _options(
    command: argparse.Namespace, family: Family, job: Job, known: list[str]
) -> dict[str, Any]:  # fmt: skip
    """The parameters that have options of their own."""
    options = {
        "-k": (family.rank, job.rank), "--max-iter": ("max_iter", command.max_iter),
        "--max-time": ("max_time", command.max_time), "--tol": ("tol", command.tol),
        "--seed": ("random_state", command.seed), "--init": (family.init, command.init),
        "--threads": ("n_threads", command.threads),
    }  # fmt: skip
    found = {}
    for option, (name, value) in options.items():
        if value is None:
            continue
        if name not in known:
            raise UsageError(f"gf.{family.model} has nothing that {option} sets")
        found[str(name)] = value
    return found


def _check_name(name: str, known: list[str], command: str) -> None:
    if name == "callback":
        raise UsageError("callback is code, which --set cannot give")
    if name in known:
        return
    near = difflib.get_close_matches(name, known, n=4, cutoff=0.5)
    near += [one for one in known if name.lower() in one.lower() and one not in near]
    said = f"near it are {', '.join(near)}" if near else f"it has {', '.join(sorted(known))}"
    raise UsageError(f"gramfold {command} has no parameter {name!r}; {said}")


def _value(name: str, text: str) -> Any:
    """A literal of Python, the array of a file, or text."""
    if text.startswith("@"):
        return _array(name, text[1:])
    if text.lower() in WORDS:
        return WORDS[text.lower()]
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text


def _array(name: str, path: str) -> Any:
    """All of a file's numbers."""
    import numpy as np

    from .inputs import opened

    try:
        found = np.load(path) if path.endswith(".npy") else np.asarray(opened(path).gathered())
    except (OSError, ValueError) as error:
        raise UsageError(f"--set {name}=@{path}: {error}") from None
    return found
