"""XXH64 in plain Python: an oracle that shares no code with the program."""

P1 = 0x9E3779B185EBCA87
P2 = 0xC2B2AE3D27D4EB4F
P3 = 0x165667B19E3779F9
P4 = 0x85EBCA77C2B2AE63
P5 = 0x27D4EB2F165667C5
MASK = (1 << 64) - 1


def _rotl(x, r):
    return ((x << r) | (x >> (64 - r))) & MASK


def _round(acc, lane):
    return (_rotl((acc + lane * P2) & MASK, 31) * P1) & MASK


def _merge(h, acc):
    return ((h ^ _round(0, acc)) * P1 + P4) & MASK


def xxh64(data, seed=0):
    """The hash of `data` as an integer."""
    n = len(data)
    at = 0
    if n >= 32:
        acc = [(seed + P1 + P2) & MASK, (seed + P2) & MASK, seed, (seed - P1) & MASK]
        while at + 32 <= n:
            for i in range(4):
                acc[i] = _round(acc[i], int.from_bytes(data[at : at + 8], "little"))
                at += 8
        h = (_rotl(acc[0], 1) + _rotl(acc[1], 7) + _rotl(acc[2], 12) + _rotl(acc[3], 18)) & MASK
        for lane in acc:
            h = _merge(h, lane)
    else:
        h = (seed + P5) & MASK
    h = (h + n) & MASK
    while at + 8 <= n:
        h ^= _round(0, int.from_bytes(data[at : at + 8], "little"))
        h = (_rotl(h, 27) * P1 + P4) & MASK
        at += 8
    if at + 4 <= n:
        h ^= (int.from_bytes(data[at : at + 4], "little") * P1) & MASK
        h = (_rotl(h, 23) * P2 + P3) & MASK
        at += 4
    while at < n:
        h ^= (data[at] * P5) & MASK
        h = (_rotl(h, 11) * P1) & MASK
        at += 1
    h ^= h >> 33
    h = (h * P2) & MASK
    h ^= h >> 29
    h = (h * P3) & MASK
    return h ^ (h >> 32)


def hex_of(line):
    """The hash of a line (no newline) as the log's files show it."""
    return f"{xxh64(line):016x}"
