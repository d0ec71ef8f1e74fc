"""What an app.jsonl.groups says, read anew from docs/FORMAT.md."""

from pathlib import Path

from mount.xxh64 import xxh64

BLOCK = 4096
BLOCKS = 64


def _u64(data, at):
    return int.from_bytes(data[at : at + 8], "little")


def notes(path):
    """(number, offset, length, before, sum, over) of each note that holds, by its number."""
    data = Path(path).read_bytes()
    assert len(data) == BLOCKS * BLOCK
    found = []
    for at in range(0, len(data), BLOCK):
        note, rest = data[at : at + 64], data[at + 64 : at + BLOCK]
        assert not any(rest)
        if note[:8] == b"evfgrp1\0" and _u64(note, 56) == xxh64(note[:56]):
            found.append(tuple(_u64(note, i) for i in range(8, 56, 8)))
    return sorted(found)
