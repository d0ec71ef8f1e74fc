"""What an app.jsonl.journal says, read anew from docs/FORMAT.md."""

from pathlib import Path

from mount.xxh64 import xxh64

BLOCK = 4096


def _u64(data, at):
    return int.from_bytes(data[at : at + 8], "little")


def records(path):
    """(number, settled, offset, lines) of each record that holds, by its number."""
    data = Path(path).read_bytes()
    found, at = [], 0
    while at + 72 <= len(data):
        head = data[at : at + 72]
        lines = data[at + 72 : at + 72 + _u64(head, 48)]
        if (
            head[:8] != b"evfjrn2\0"
            or _u64(head, 64) != xxh64(head[:64])
            or len(lines) != _u64(head, 48)
            or _u64(head, 56) != xxh64(lines)
        ):
            at += BLOCK
            continue
        found.append((_u64(head, 16), _u64(head, 24), _u64(head, 32), lines))
        at += -(-(72 + len(lines)) // BLOCK) * BLOCK
    return sorted(found)


def settled(path):
    return max(record[1] for record in records(path))


def only_here_from(path, end):
    """From where on, up to the log's end, a power cut may have taken all from the log: what is behind the settled place and in no
    record was made durable in the log itself."""
    begin = end
    for _, _, offset, lines in sorted(records(path), key=lambda r: r[2], reverse=True):
        if offset < begin <= offset + len(lines):
            begin = offset
    return max(begin, settled(path))
