#!/usr/bin/python3
"""Plain libjq against eventfold, event by event, over generated programs.

    differential.py [--seed N] [--count N | --seconds N] [--jobs N] [--no-shrink] [--host HOST] [--program FILE] [BUILD]

Programs N, N + 1 … of programs.py, or the one in FILE, are folded by jq_plain (libjq and nothing else) and by jq_host (what a
mount does); BUILD, or else EVENTFOLD_BUILD, is the build directory that has both. After each event the states must be the same, byte
for byte; where jq has an error there must be one in the same words; where libjq itself is ended (it aborts) there must be one,
whatever it says. A difference is made smaller and printed, with its seed. Exit 0 if there is none.
"""

import argparse
import collections
import concurrent.futures
import contextlib
import json
import os
import pathlib
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from programs import RUNS, Program  # noqa: E402

BATCH = 16
EXPONENT = re.compile(r"(?<=\d)E(?=[+-]?\d)")
SINGLE = re.compile(r"__loc__")


class Ended(Exception):
    """The process ended by itself: which program of the job, how many runs and events were done, and by which signal."""

    def __init__(self, answers, code, said):
        super().__init__(code)
        self.answers, self.code, self.said = answers, code, said


class Peer:
    """One of the two processes, started anew when it has ended."""

    def __init__(self, *command):
        self.command, self.process = command, None

    def start(self):
        self.said = tempfile.TemporaryFile()
        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.said,
                                        env={"ASAN_OPTIONS": "allocator_may_return_null=1:detect_leaks=0",
                                             # So that what depends on the zone shows.
                                             "TZ": "CET-1CEST,M3.5.0,M10.5.0/3"})

    def ask(self, program, runs):
        """runs: (state's line, events). The answer of each run: a list of its lines. Raises Ended."""
        if not self.process:
            self.start()
        text = program.encode("utf-8", "surrogatepass")
        job = [b"%d %d\n" % (len(text), len(runs)), text, b"\n"]
        for state, events in runs:
            job.append("\n".join([str(len(events)), state, *events, ""]).encode())
        answers, done = [[]], False
        try:
            self.process.stdin.write(b"".join(job))
            self.process.stdin.flush()
            while not done:
                line = self.process.stdout.readline()
                if not line:
                    break
                if line == b".\n":
                    answers.append([])
                elif line == b";\n":
                    done = True
                else:
                    answers[-1].append(line[:-1].decode("utf-8", "replace"))
        except BrokenPipeError:
            pass
        if done:
            return answers if answers[-1] else answers[:-1]
        code = self.process.wait()
        self.said.seek(0)
        said = self.said.read().decode("utf-8", "replace")
        self.close()
        raise Ended(answers, code, said)

    def close(self):
        if self.process:
            with contextlib.suppress(BrokenPipeError):  # it has ended before it had read all
                self.process.stdin.close()
            self.process.stdout.close()
            self.process.wait()
            self.said.close()
            self.process = None


class Run:
    """What came of a program from one start state: the states after the events there were, and how it ended."""

    def __init__(self, start, lines, death=None):
        self.states, self.error, self.death, self.false_same = [], None, death, False
        state = start
        for line in lines:
            # jq 1.7 writes a number that it has read with an E, and one that it has computed with an e.
            kind, value = line[0], EXPONENT.sub("e", line[2:])
            if kind == "e":
                self.error = json.loads(value)
            elif kind in "vs":
                self.false_same |= kind == "s" and value != state
                state = value
            if kind != "e":
                self.states.append(state)

    def __eq__(self, other):
        return (self.states, self.death, self.false_same, *words(self.error, other.error)) == \
               (other.states, other.death, other.false_same, *reversed(words(self.error, other.error)))

    def __str__(self):
        end = [f"error: {self.error}"] if self.error is not None else []
        end += [f"ended: {self.death}"] if self.death else []
        end += ["said to be the same, and is not"] if self.false_same else []
        return "\n".join(f"    {line}" for line in self.states + end)


def words(a, b):
    """Two messages, made comparable: a diag has 511 bytes, and one line."""
    if a is None or b is None:
        return a, b
    a, b = (text.replace("\n", " ").encode() for text in (a, b))
    n = 505 if min(len(a), len(b)) >= 505 else max(len(a), len(b))
    return a[:n], b[:n]


def death(ended):
    if "cannot allocate memory" in ended.said:
        return "no memory"
    if re.search(r"SUMMARY: AddressSanitizer: SEGV .*/libjq\.so", ended.said):
        return "SIGSEGV"
    if ended.code < 0:
        name = signal.Signals(-ended.code).name
        return "never" if name == "SIGPROF" else name
    return f"exit {ended.code}: {ended.said[-2000:]}"


class Pair:
    """A plain libjq and a host. One thread's."""

    def __init__(self, build, host=None):
        plain = build / "tests/jq/jq_plain"
        self.plain, self.fresh, self.host = Peer(plain), Peer(plain, "--fresh"), Peer(host or build / "tests/jq/jq_host")

    def close(self):
        for peer in (self.plain, self.fresh, self.host):
            peer.close()

    def runs(self, peer, program, given, starts=RUNS):
        """Each start by itself where one of them ends the process. None: it does not compile."""
        try:
            answers = peer.ask(program, [(given(state), events) for state, events in starts])
        except Ended as ended:
            if len(starts) == 1:
                return [Run(starts[0][0], ended.answers[-1], death(ended))]
            return sum((self.runs(peer, program, given, [start]) for start in starts), [])
        if answers and answers[0] and answers[0][0].startswith("c "):
            return None
        return [Run(state, lines) for (state, _), lines in zip(starts, answers)]

    def single(self, text):
        program = f".[1] as $event | .[0] | {text}\n"
        found = self.runs(self.plain, program, lambda state: f"[{state}, 0]")
        for i, run in enumerate(found or []):
            # Not at the first event: perhaps it is what the one before has left behind.
            if run.death == "SIGABRT" and run.states:
                found[i], = self.runs(self.fresh, program, lambda state: f"[{state}, 0]", [RUNS[i]])
                self.fresh.close()
        return found

    def batch(self, texts):
        """The answers for several programs at once; or, where it came to an end, which of them has to be asked for by itself: None
        where that is not known."""
        cases = "".join(f"{'el' if i else ''}if $which == {i} then {text}\n" for i, text in enumerate(texts))
        program = f".[2] as $which | .[1] as $event | .[0] | {cases}else . end"
        starts = [(f"[{state}, {i}]", events) for i in range(len(texts)) for state, events in RUNS]
        try:
            answers = self.plain.ask(program, starts)
        except Ended as ended:
            return None, (len(ended.answers) - 1) // len(RUNS)
        if not answers or (answers[0] and answers[0][0].startswith("c ")):
            return None, None
        runs = [Run(RUNS[i % len(RUNS)][0], lines) for i, lines in enumerate(answers)]
        return [runs[i:i + len(RUNS)] for i in range(0, len(runs), len(RUNS))], None

    def of_host(self, text):
        return self.runs(self.host, text, str)

    def judge(self, program, host=None, plain=None):
        """(what it is, the two runs that differ or None)."""
        host = host or self.of_host(program.text)
        if plain is not None and plain == host:
            return "same", None
        plain = self.single(program.text)
        if plain is None or host is None:
            return ("refused", None) if plain is host else ("DIFFERENT", (plain, host))
        kinds, bad = {"same"}, None
        for p, h in zip(plain, host):
            if p.death in ("never", "no memory"):
                kinds.add(p.death)
            elif p.death:
                kinds.add("libjq ends")
                # What runs plain ends where libjq does.
                if h.death not in (None, p.death) or h.states[:len(p.states)] != p.states:
                    bad = bad or ([p], [h])
            elif p != h:
                bad = bad or ([p], [h])
        if bad:
            return "DIFFERENT", bad
        return sorted(kinds - {"same"} or kinds)[0], None

    def smallest(self, program, runs, seconds=20):
        end = time.monotonic() + seconds
        found = True
        while found and time.monotonic() < end:
            found = False
            for smaller in program.smaller():
                if time.monotonic() > end:
                    break
                if len(smaller.text) >= len(program.text):
                    continue
                what, others = self.judge(smaller)
                if what == "DIFFERENT" and (others[0] is None) == (runs[0] is None):
                    program, runs, found = smaller, others, True
                    break
        return program, runs


def describe(seed, program, runs):
    plain, host = runs
    text = f"--- seed {seed}\n{program.text}\n"
    for name, of in (("libjq", plain), ("eventfold", host)):
        text += f"{name}:\n" + ("    does not compile" if of is None else str(of[0])) + "\n"
    return text


class Differential:
    def __init__(self, build, jobs=None, host=None, shrink=True):
        self.build, self.jobs, self.host, self.shrink = pathlib.Path(build), jobs or os.cpu_count() or 1, host, shrink
        self.counts = collections.Counter()
        self.found = []  # descriptions
        self.local = threading.local()
        self.pairs = []

    def pair(self):
        if not hasattr(self.local, "pair"):
            self.local.pair = Pair(self.build, self.host)
            self.pairs.append(self.local.pair)
        return self.local.pair

    def some(self, programs):
        pair = self.pair()
        hosts = {p: pair.of_host(p.text) for p in programs}
        plains = {}
        together = [p for p in programs if hosts[p] and not any(run.death for run in hosts[p]) and not SINGLE.search(p.text)]
        while len(together) > 1:
            found, alone = pair.batch([p.text for p in together])
            if found:
                plains = dict(zip(together, found))
            if found or alone is None:
                break
            del together[alone]
        for program in programs:
            what, runs = pair.judge(program, hosts[program], plains.get(program))
            self.counts[what] += 1
            if runs and len(self.found) < 50:
                self.found.append(describe(program.seed, *(pair.smallest(program, runs) if self.shrink else (program, runs))))

    def check(self, first, count=None, seconds=None, each=None):
        """Programs first, first + 1 …: how many of which outcome; what is different is in self.found."""
        end = time.monotonic() + seconds if seconds else None
        seed = first
        with concurrent.futures.ThreadPoolExecutor(self.jobs) as pool:
            running = set()
            while running or (not (count and seed >= first + count) and not (end and time.monotonic() > end)):
                while len(running) < self.jobs + 1 and not (count and seed >= first + count) and not (end and time.monotonic() > end):
                    seeds = list(range(seed, min(seed + BATCH, first + count) if count else seed + BATCH))
                    seed += len(seeds)
                    running.add(pool.submit(self.some, [Program(s) for s in seeds]))
                done, running = concurrent.futures.wait(running, return_when=concurrent.futures.FIRST_COMPLETED)
                for future in done:
                    future.result()
        for pair in self.pairs:
            pair.close()
        return self.counts


class Written:
    """A program that somebody wrote."""

    def __init__(self, text):
        self.text = text

    def smaller(self):
        return []


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build", nargs="?", default=os.environ.get("EVENTFOLD_BUILD"))
    parser.add_argument("--seed", type=int)
    parser.add_argument("--count", type=int)
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--jobs", type=int)
    parser.add_argument("--program")
    parser.add_argument("--host", help="instead of jq_host: whatever speaks protocol.h")
    parser.add_argument("--no-shrink", action="store_true")
    options = parser.parse_args()
    if options.program:
        pair = Pair(pathlib.Path(options.build), options.host)
        program = Written(pathlib.Path(options.program).read_text())
        what, runs = pair.judge(program)
        for (state, _), p, h in zip(RUNS, pair.single(program.text) or [], pair.of_host(program.text) or []):
            print(f"{state}\n  libjq:\n{p}\n  eventfold:\n{h}")
        print(what)
        return what == "DIFFERENT"
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(1 << 31)
    count = options.count or (None if options.seconds else 200)
    test = Differential(options.build, options.jobs, options.host, not options.no_shrink)
    print(f"seeds from {seed}")
    counts = test.check(seed, count, options.seconds)
    print(*test.found, sep="\n")
    print(", ".join(f"{n} {what}" for what, n in counts.most_common()))
    return bool(test.found)


if __name__ == "__main__":
    sys.exit(main())
