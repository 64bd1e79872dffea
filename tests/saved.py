"""Files of `gf.save` taken apart and put together again, with digests that fit, as a forger would."""

import hashlib
import json


def taken_apart(data):
    """Header, description and arrays of the bytes of a file."""
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    return header, json.loads(header["__metadata__"]["gramfold"]), data[8 + length :]


def put_together(header, described, arrays):
    """The bytes of a file; `described` may be any JSON."""
    text = json.dumps(described)
    header["__metadata__"] = {"gramfold": text, "sha256": hashlib.sha256(text.encode()).hexdigest()}
    made = json.dumps(header).encode()
    return len(made).to_bytes(8, "little") + made + arrays


def rewritten(path, change):
    """Let `change` have its way with the description of a file."""
    header, described, arrays = taken_apart(path.read_bytes())
    change(described)
    path.write_bytes(put_together(header, described, arrays))
