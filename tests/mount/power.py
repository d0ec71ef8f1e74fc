"""A disk whose power can be cut: a real file system on a loop device on a file that notes all that it is sent
(helpers/power_disk.c), and the disks that a power cut at any moment could have left behind.

    disk = PowerDisk(path, base)     # base: an image with a file system
    with disk.mounted(directory): …  # disk.now() is a moment in what it was sent
    for moment, image in disk.cuts(moments, rng, path): …

A disk may keep, lose or tear what it was sent since the last flush, in sectors, each of which has one of the contents that it was
sent or the one from before. Block 0 with the file system's superblock is never torn: ext4 has one copy, with a checksum, and
relies on that, too.
"""

import contextlib
import os
import subprocess
from pathlib import Path

from following import until
from harness import LIMIT

FLUSH = 2**64 - 1
BLOCK = 4096


def run(*command):
    subprocess.run([str(c) for c in command], check=True, timeout=LIMIT, stdout=subprocess.DEVNULL)


def build(directory):
    """The program that is the disk."""
    program = Path(directory) / "power_disk"
    source = Path(__file__).parent / "helpers/power_disk.c"
    flags = subprocess.run(["pkg-config", "--cflags", "--libs", "fuse3"], check=True, stdout=subprocess.PIPE, text=True).stdout
    run("cc", "-O1", "-Wall", "-Werror", "-o", program, source, *flags.split())
    return program


def make_image(path, kind, fill):
    """A new file system, with what fill(directory) puts into it."""
    with open(path, "wb") as f:
        f.truncate({"ext4": 128, "xfs": 320, "btrfs": 160}[kind] << 20)
    options = {
        "ext4": ["-q", "-F", "-b", BLOCK, "-J", "size=4", "-E", "nodiscard,lazy_itable_init=0,lazy_journal_init=0"],
        "xfs": ["-q", "-K"],
        "btrfs": ["-q", "-K"],
    }
    run(f"mkfs.{kind}", *options[kind], path)
    with mounted(path, path.parent / "made") as at:
        fill(at)


@contextlib.contextmanager
def mounted(image, directory):
    directory.mkdir(parents=True, exist_ok=True)
    with open(image, "rb") as f:
        magic = f.read(4)
    device = subprocess.run(
        ["losetup", "--find", "--show", str(image)], check=True, timeout=LIMIT, stdout=subprocess.PIPE, text=True
    ).stdout.strip()
    try:
        # A copy of an image may still be held by somebody who has its mount in a namespace of his own.
        run("mount", *(["-o", "nouuid"] if magic == b"XFSB" else []), device, directory)
        try:
            yield directory
        finally:
            run("umount", directory)
    finally:
        run("losetup", "--detach", device)


class PowerDisk:
    def __init__(self, program, path, base):
        """`base` stays as it is."""
        path.mkdir()
        self.program, self.base, self.image, self.trace = program, base, path / "image", path / "trace"
        self.file, self.durable, self.done = path / "disk", path / "durable", 0
        self.file.touch()
        for copy in (self.image, self.durable):
            run("cp", "--sparse=always", base, copy)

    @contextlib.contextmanager
    def mounted(self, directory):
        with subprocess.Popen([self.program, self.image, self.trace, self.file], stdout=subprocess.PIPE) as process:
            assert process.stdout.readline() == b"ready\n"
            try:
                with mounted(self.file, directory):
                    yield
            finally:
                self.leave()
                assert process.wait(LIMIT) == 0

    def leave(self):
        """Whoever looks at loop devices keeps one a moment longer than its owner."""
        until(lambda: subprocess.run(["umount", self.file], stderr=subprocess.DEVNULL, timeout=LIMIT).returncode == 0)

    def now(self):
        """A moment: how long the trace is. What was promised by now is on the disk at every moment from this on."""
        return self.trace.stat().st_size

    def records(self):
        """(moment at its end, offset, content) of all that was sent."""
        found, at = [], 0
        with open(self.trace, "rb") as f:
            while head := f.read(16):
                off, size = (int.from_bytes(head[i : i + 8], "little") for i in (0, 8))
                at += 16 + size
                found.append((at, off, f.read(size)))
        return found

    def cuts(self, records, numbers, rng, path):
        """For each of these numbers, which go up: the moment, and an image of the disk when so many records had been sent."""
        for number in numbers:
            flushed = max((i for i in range(number) if records[i][1] == FLUSH), default=-1)
            with open(self.durable, "r+b") as f:
                for _, off, content in records[self.done : flushed + 1]:
                    if off != FLUSH:
                        os.pwrite(f.fileno(), content, off)
            self.done = max(self.done, flushed + 1)
            run("cp", "--sparse=always", self.durable, path)
            with open(path, "r+b") as f:
                for off, content in survivors(records[flushed + 1 : number], rng):
                    os.pwrite(f.fileno(), content, off)
            yield (records[number - 1][0] if number else 0), path


def survivors(writes, rng):
    """What of these is on the disk: nothing, the first of them, all, some of them, or some sectors of some."""
    how = rng.choice(("none", "first", "all", "some", "torn", "torn"))
    if how == "first":
        writes = writes[: rng.randrange(len(writes) + 1)]
    share = {"none": 0, "first": 1, "all": 1}.get(how, rng.choice((0.1, 0.5, 0.9)))
    sector = rng.choice((512, BLOCK))
    for _, off, content in writes:
        if how != "torn" or off < BLOCK:
            if rng.random() < share:
                yield off, content
            continue
        for at in range(0, len(content), sector):
            if rng.random() < share:
                yield off + at, content[at : at + sector]
