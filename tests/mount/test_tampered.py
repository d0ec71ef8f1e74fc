"""`eventfold verify --head` and `--heads`, `eventfold head`: a log that was changed by somebody who can write to DATA, with care, so that
nothing else tells. The oracle is hashlib."""

import ctypes
import ctypes.util
import hashlib
import os
import random
import re
import shutil
import struct

import pytest
from harness import ALL, SLOW, eventfold, line_of, sh
from xxh64 import xxh64

CHANGES = 1000 if ALL and not SLOW else 60
ZSTD = ctypes.CDLL(ctypes.util.find_library("zstd"))
for name in ("ZSTD_compressBound", "ZSTD_findFrameCompressedSize", "ZSTD_decompress", "ZSTD_compress2", "ZSTD_CCtx_setParameter"):
    getattr(ZSTD, name).restype = ctypes.c_size_t
ZSTD.ZSTD_createCCtx.restype = ctypes.c_void_p
LEVEL, CHECKSUM = 100, 201  # ZSTD_c_compressionLevel, ZSTD_c_checksumFlag
MAGIC, SIZE = 0x184D2A5E, 200


def compress(content):
    """A frame with its size and a checksum, as the program makes them."""
    context = ctypes.c_void_p(ZSTD.ZSTD_createCCtx())
    ZSTD.ZSTD_CCtx_setParameter(context, LEVEL, 1)
    ZSTD.ZSTD_CCtx_setParameter(context, CHECKSUM, 1)
    out = ctypes.create_string_buffer(ZSTD.ZSTD_compressBound(len(content)))
    n = ZSTD.ZSTD_compress2(context, out, ctypes.c_size_t(len(out)), content, ctypes.c_size_t(len(content)))
    ZSTD.ZSTD_freeCCtx(context)
    return out.raw[:n]


def parts(archive):
    """[kind, content of its frame or None, the record's bytes] in their order."""
    found, at, content = [], 0, None
    while at < len(archive):
        if struct.unpack_from("<I", archive, at)[0] == MAGIC:
            found.append([chr(archive[at + 15]), content, bytearray(archive[at : at + SIZE])])
            content, at = None, at + SIZE
            continue
        n = ZSTD.ZSTD_findFrameCompressedSize(archive[at:], ctypes.c_size_t(len(archive) - at))
        out = ctypes.create_string_buffer(1 << 20)
        size = ZSTD.ZSTD_decompress(out, ctypes.c_size_t(len(out)), archive[at : at + n], ctypes.c_size_t(n))
        content, at = out.raw[:size], at + n
    return found


def rebuilt(found):
    """The archive of these, with records that are right in all they say; what they say of the SHA-256 is the old one."""
    archive, off, seq, last, frames, begin = bytearray(), 0, 0, 0, 0, 0
    for kind, content, record in found:
        frame_size = 0
        if content is not None:
            frame = compress(content)
            frame_size = len(frame)
            archive += frame
            off, seq, frames = off + len(content), seq + content.count(b"\n"), frames + 1
            last = xxh64(content.splitlines()[-1])
        if kind == "B":
            begin = len(archive)
        record[16:88] = struct.pack(
            "<9Q", len(archive), off, seq, last, frames, frame_size, len(content or b""),
            (content or b"").count(b"\n"), begin if kind != "E" else struct.unpack_from("<Q", record, 80)[0],
        )  # fmt: skip
        record[192:] = struct.pack("<Q", xxh64(bytes(record[:192])))
        archive += record
    return bytes(archive)


def line(i):
    return line_of({"type": "t", "data": {"n": i, "text": f"event {i} " + "x" * (i * 37 % 150)}, "ts": 1_700_000_000 + i})


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """DATA with an archive of some frames and an active log, and the heads behind each of its lines."""
    from harness import Mount

    path = tmp_path_factory.mktemp("original")
    with Mount(path, reducers=()) as m:
        for i in range(120):
            m.append(line(i))
            if i in (10, 11, 40, 90):
                (m.mnt / "ctl").write_text("rotate")
        history = m.history()
    heads, end = [], 0
    for part in history.splitlines(keepends=True):
        end += len(part)
        heads.append((end, hashlib.sha256(history[:end]).hexdigest()))
    return path / "data", heads


def change_line(lines, rng):
    i = rng.randrange(len(lines))
    digit = rng.choice([m.start() for m in re.finditer(rb"[0-9x]", lines[i])])
    was = lines[i][digit : digit + 1]
    lines[i] = lines[i][:digit] + rng.choice([c for c in (b"1", b"2", b"3") if c != was]) + lines[i][digit + 1 :]
    return lines, i


def take_out(lines, rng):
    i = rng.randrange(len(lines))
    return lines[:i] + lines[i + 1 :], i


def swap(lines, rng):
    i, j = sorted(rng.sample(range(len(lines)), 2))
    lines[i], lines[j] = lines[j], lines[i]
    return lines, i


def regrow(lines, rng):
    """Cut, and grown anew beyond where it ended."""
    i = rng.randrange(len(lines))
    return lines[:i] + [line(1000 + j) for j in range(len(lines) - i + 3)], i


def cut(lines, rng):
    i = rng.randrange(len(lines))
    return lines[:i], i


def tamper(data, rng):
    """Changes something somewhere; where the first changed line began, in bytes."""
    found = parts((data / "archive.jsonl.zst").read_bytes())
    active = (data / "app.jsonl").read_bytes()
    texts = [p for p in found if p[1] is not None]
    where = rng.randrange(len(texts) + 1)
    whole = [p[1] for p in texts] + [active]
    lines = whole[where].splitlines(keepends=True)
    ways = [change_line, take_out, swap] + ([regrow, cut] if where == len(texts) else [])
    if len(lines) < 3:
        ways = [change_line]
    changed, i = rng.choice(ways)(list(lines), rng)
    at = sum(map(len, whole[:where])) + sum(map(len, lines[:i]))
    if where == len(texts):
        (data / "app.jsonl").write_bytes(b"".join(changed))
    else:
        texts[where][1] = b"".join(changed)
        (data / "archive.jsonl.zst").write_bytes(rebuilt(found))
    return at


def test_the_tool_changes_nothing_by_itself(original, tmp_path):
    data, heads = original
    archive = (data / "archive.jsonl.zst").read_bytes()
    found = parts(archive)
    assert rebuilt(found) == archive
    assert sh(f"{eventfold()} head {data}").stdout.decode() == f"{heads[-1][1]}  {heads[-1][0]}\n"


@pytest.mark.limit(10)
def test_every_change_is_found(original, tmp_path):
    data, heads = original
    rng = random.Random(os.environ.get("EVENTFOLD_SEED", "1"))
    noted = tmp_path / "heads"
    noted.write_text("".join(f"{off}:{sha}\n" for off, sha in heads))
    copy = tmp_path / "copy"
    for number in range(CHANGES):
        shutil.rmtree(copy, ignore_errors=True)
        copy.mkdir()
        for name in ("app.jsonl", "archive.jsonl.zst"):
            shutil.copyfile(data / name, copy / name)
        at = tamper(copy, rng)
        if number % 20 == 0:
            assert sh(f"{eventfold()} verify {copy}").stdout.endswith(b"all is well\n"), number
        off, sha = rng.choice([head for head in heads if head[0] > at])
        done = sh(f"{eventfold()} verify --head {off}:{sha} {copy}", check=False)
        assert done.returncode == 1 and done.stdout, (number, done)
        done = sh(f"{eventfold()} verify --heads {noted} {copy}", check=False)
        assert done.returncode == 1, (number, done)
        before = [head[0] for head in heads if head[0] <= at]
        if before:
            assert f"it is as it was up to the head noted at {before[-1]}\n" in done.stdout.decode(), (number, at, done)
            assert sh(f"{eventfold()} verify --head {before[-1]}:{dict(heads)[before[-1]]} {copy}").returncode == 0


def verify(data, *arguments, status=0):
    done = sh(f"{eventfold()} verify {' '.join(arguments)} {data}", check=False)
    assert done.returncode == status, done
    return done.stdout.decode(), done.stderr.decode()


def test_all_ways_to_write_a_head_down(original, tmp_path):
    data, heads = original
    noted = tmp_path / "heads"
    (a, a_sha), (b, b_sha), (c, c_sha) = heads[3], heads[50], heads[-1]
    noted.write_text(f"# noted by hand\n\n{a} 0123456789abcdef {a_sha}\n{b_sha}  {b}\n{c}:{c_sha}\n0:{hashlib.sha256().hexdigest()}")
    assert verify(data, "--heads", str(noted)) == (f"4 heads, the last at {c}: the log has them all\n", "")
    assert verify(data, f"--head {a}:{a_sha} --heads {noted}") == (f"5 heads, the last at {c}: the log has them all\n", "")


def test_what_is_said(original, tmp_path):
    data, heads = original
    (a, a_sha), (b, b_sha), (end, _) = heads[3], heads[50], heads[-1]
    wrong = "0" * 64
    out, _ = verify(data, f"--head {a}:{a_sha} --head {b}:{wrong}", status=1)
    assert out == (
        f"the log differs from what it was at the head noted at {b}\n"
        f"it is as it was up to the head noted at {a}\n"
        f"what has changed first lies in the bytes from {a} to {b}\n"
    )
    out, _ = verify(data, f"--head {a}:{wrong} --head {b}:{b_sha}", status=1)
    assert out == f"the head noted at {a} is none of this log, which is as noted at {b}: that note is wrong\n"
    out, _ = verify(data, f"--head {b}:{b_sha} --head {end + 7}:{wrong}", status=1)
    assert out == f"the log ends at {end}, before the head noted at {end + 7}\nit is as it was up to the head noted at {b}\n"


@pytest.mark.parametrize("text", ["", "12", "x:y", "12:" + "0" * 63, "-1:" + "0" * 64, "1:2:" + "0" * 64, "1 " * 3 + "0" * 64])
def test_what_is_no_head(original, tmp_path, text):
    data, _ = original
    out, err = verify(data, f"--head '{text}'", status=2)
    assert out == "" and "OFFSET:SHA256" in err
    noted = tmp_path / "heads"
    noted.write_text(text + "\n")
    out, err = verify(data, f"--heads {noted}", status=1)
    assert out == "" and (f"{noted}:1: it is no head" in err or (not text and "no head is noted" in err))


def test_files_that_are_not_there(original, tmp_path):
    data, _ = original
    assert "cannot open" in verify(data, f"--heads {tmp_path}/none", status=1)[1]
    done = sh(f"{eventfold()} head {tmp_path}", check=False)
    assert done.returncode == 1 and b"there is no log" in done.stderr
    assert sh(f"{eventfold()} head", check=False).returncode == 2
