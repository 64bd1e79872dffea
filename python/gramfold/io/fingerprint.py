"""What tells that a file is still the one it was."""

import os
from collections.abc import Iterator


def fingerprint(paths: list[str]) -> str:
    """Sizes, times of change and inodes of files; of a folder, those of all files in it taken together."""
    return "; ".join(_of(path) for path in paths)


def _of(path: str) -> str:
    about = os.stat(path)
    if not os.path.isdir(path):
        return f"{path}: {about.st_size}, {about.st_mtime_ns}, {about.st_ino}"
    files = [file.stat() for file in _files(path)]
    newest = max((file.st_mtime_ns for file in files), default=0)
    return f"{path}: {sum(file.st_size for file in files)}, {newest}, {len(files)} files"


def _files(folder: str) -> Iterator[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir():
                yield from _files(entry.path)
            else:
                yield entry
