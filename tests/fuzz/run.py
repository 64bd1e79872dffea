"""Coverage-guided fuzzing: python -m fuzz.run TARGET FOLDER [arguments of libFuzzer]; see .ci/fuzz.

What is found is kept in FOLDER/found, one file for each place in the code that it comes from, and it goes on.
"""

import hashlib
import resource
import sys
import tempfile
import traceback
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["gramfold"]):
    from fuzz.targets import TARGETS

ROOM = 1 << 32  # bytes of addresses: pyarrow reserves many, but no small file asks for so many
LONGEST = 1 << 18  # bytes of a file


def main() -> None:
    """Fuzz until libFuzzer ends it."""
    target, folder = TARGETS[sys.argv[1]], Path(sys.argv[2])
    corpus, found = folder / "corpus", folder / "found"
    for place in (corpus, found):
        place.mkdir(parents=True, exist_ok=True)
    for i, seed in enumerate(target.seeds()):
        (corpus / f"seed-{i}").write_bytes(seed)

    def one(data: bytes) -> None:
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + ROOM, resource.RLIM_INFINITY))
        try:
            target.run(data, Path(scratch))
        except Exception as error:
            _keep(found, data, error)

    def changed(data: bytes, most: int, seed: int) -> bytes:
        return target.change(data, most, seed, atheris.Mutate)

    with tempfile.TemporaryDirectory() as scratch:
        arguments = [
            sys.argv[0],
            str(corpus),
            f"-artifact_prefix={found}/",
            f"-max_len={LONGEST}",
            "-rss_limit_mb=0",  # ROOM ends it
            *sys.argv[3:],
        ]
        atheris.Setup(arguments, one, custom_mutator=changed)
        atheris.Fuzz()


def _keep(found: Path, data: bytes, error: Exception) -> None:
    frames = [
        f"{Path(f.filename).name}:{f.name}:{f.lineno}" for f in traceback.extract_tb(error.__traceback__)
    ]
    cause = error.__cause__
    if cause is not None:
        frames += [f"{Path(f.filename).name}:{f.lineno}" for f in traceback.extract_tb(cause.__traceback__)]
    what = f"{type(cause or error).__name__} {' '.join(frames)}"
    name = hashlib.sha256(what.encode()).hexdigest()[:12]
    if not (found / name).exists():
        (found / name).write_bytes(data)
        (found / f"{name}.txt").write_text("".join(traceback.format_exception(error)))
        print(f"found {name}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
