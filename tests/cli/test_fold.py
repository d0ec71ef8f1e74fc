"""`eventfold fold`: what it prints, what it says about bad lines, and how it ends.

EVENTFOLD is the program, EVENTFOLD_REDUCERS the directory of the built reducers.
"""

import itertools
import json
import os
import pathlib
import pty
import signal
import subprocess

import pytest

PROGRAM = os.environ["EVENTFOLD"]
REDUCERS = pathlib.Path(os.environ["EVENTFOLD_REDUCERS"])
COUNT, TYPES = REDUCERS / "count.so", REDUCERS / "types.so"
GOOD = b'{"type":"a"}\n{"type":"b"}\n{"type":"a"}\n'
# Blank lines, a bad one, one of another kind.
MIXED = b'{"type":"a"}\n\n{"type":"b"}\noops\n  \n{"type":"a"}\n{"data":1}\n'


def run(*arguments, stdin=b"", **options):
    return subprocess.run([PROGRAM, "fold", *arguments], input=stdin, capture_output=True, timeout=300,
                          **options)


def output(*arguments, stdin=b"", **options):
    """Of a run that must have nothing to say."""
    r = run(*arguments, stdin=stdin, **options)
    assert (r.returncode, r.stderr) == (0, b"")
    return r.stdout


def complaint(*arguments, status=1, stdin=b""):
    """The one line that a run says which fails and prints nothing."""
    r = run(*arguments, stdin=stdin)
    assert (r.returncode, r.stdout) == (status, b"")
    text = r.stderr.decode()
    assert text.endswith("\n") and (status == 2 or text.count("\n") == 1)
    return text


@pytest.fixture
def jq(tmp_path):
    def write(program, name="view.jq"):
        path = tmp_path / name
        path.write_text(program)
        return path
    return write


# Where the events come from.

def test_standard_input():
    assert output(TYPES, stdin=GOOD) == b'{"a":2,"b":1}\n'
    assert output(TYPES, "-", stdin=GOOD) == b'{"a":2,"b":1}\n'


def test_closed_standard_input():
    r = subprocess.run(["sh", "-c", '"$0" fold "$1" <&-', PROGRAM, COUNT], capture_output=True, timeout=300)
    assert (r.returncode, r.stdout) == (1, b"")
    assert r.stderr == b"eventfold: cannot read standard input: Bad file descriptor\n"


def test_files(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_bytes(GOOD)
    two.write_bytes(b'{"type":"c"}\n')
    assert output(TYPES, one) == b'{"a":2,"b":1}\n'
    assert output(TYPES, two, one) == b'{"c":1,"a":2,"b":1}\n'
    assert output(TYPES, two, "-", two, stdin=b'{"type":"z"}\n') == b'{"c":2,"z":1}\n'


def test_nothing(tmp_path):
    assert output(COUNT) == b'{"count":0}\n'
    assert output(COUNT, stdin=b"\n\n") == b'{"count":0}\n'
    assert output(COUNT, "/dev/null", "/dev/null") == b'{"count":0}\n'


def test_last_line_without_newline(tmp_path):
    assert output(COUNT, stdin=GOOD[:-1]) == b'{"count":3}\n'
    # It ends with its file, and does not run into the next one.
    one = tmp_path / "one"
    one.write_bytes(b'{"type":"a"}')
    assert output(COUNT, one, one, one) == b'{"count":3}\n'


def test_line_ends_and_spaces():
    assert output(COUNT, stdin=b' {"type":"a"}\r\n\t{"type":"b"} \r\n') == b'{"count":2}\n'


def test_small_pieces():
    """Lines that arrive byte by byte are the lines that arrive whole."""
    process = subprocess.Popen([PROGRAM, "fold", TYPES], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    for i in range(len(GOOD)):
        os.write(process.stdin.fileno(), GOOD[i:i + 1])
    assert process.communicate(timeout=300)[0] == b'{"a":2,"b":1}\n'
    assert process.returncode == 0


def test_terminal():
    """The end is typed once, even behind a line that nobody has ended."""
    master, slave = pty.openpty()
    process = subprocess.Popen([PROGRAM, "fold", COUNT], stdin=slave, stdout=subprocess.PIPE)
    os.close(slave)
    os.write(master, b'{"type":"a"}\n{"type":"b"}\x04\x04')
    assert process.communicate(timeout=300)[0] == b'{"count":2}\n'
    os.close(master)


@pytest.mark.parametrize("size", [1, 1 << 20, (1 << 20) - 30, 3 << 20, (16 << 20) - 40])
def test_long_lines(size):
    """Lines around and beyond the size of a block."""
    line = json.dumps({"type": "x", "data": "y" * size}).encode()
    assert output(TYPES, stdin=GOOD + line + b"\n" + GOOD + line) == b'{"a":4,"b":2,"x":2}\n'


def test_many_blocks(jq):
    """Nothing is lost, doubled or cut where blocks meet."""
    lines = [json.dumps({"type": "t", "data": "x" * (i * 37 % 999)}) for i in range(20000)]
    text = "".join(line + "\n" for line in lines).encode()
    assert len(text) > 8 << 20
    expected = sum(len(json.loads(line)["data"]) for line in lines)
    reducer = jq('[.[0] + 1, .[1] + ($event.data | length)]')
    assert json.loads(output(reducer, stdin=text)) == [20000, expected]
    assert output(COUNT, stdin=text) == b'{"count":20000}\n'


# What is printed.

def test_each():
    assert output("--each", TYPES, stdin=GOOD) == b'{"a":1}\n{"a":1,"b":1}\n{"a":2,"b":1}\n'
    assert output("--each", TYPES) == b""
    assert output("--each", TYPES, stdin=GOOD[:-1]) == output("--each", TYPES, stdin=GOOD)


def test_each_counts_events_not_lines():
    r = run("--each", COUNT, stdin=MIXED)
    assert r.stdout == b'{"count":1}\n{"count":2}\n{"count":3}\n'


def test_each_comes_before_the_end():
    """A state can be read as soon as it is there, where somebody looks at it."""
    master, slave = pty.openpty()
    process = subprocess.Popen([PROGRAM, "fold", "--each", COUNT], stdin=subprocess.PIPE, stdout=slave)
    os.close(slave)
    seen = b""
    for i in range(1, 4):
        os.write(process.stdin.fileno(), b'{"type":"a"}\n')
        while not seen.endswith(b'{"count":%d}\r\n' % i):
            seen += os.read(master, 1000)
    process.stdin.close()
    assert process.wait(timeout=300) == 0
    os.close(master)


@pytest.mark.parametrize("n, state", [(0, b'{"count":0}'), (1, b'{"count":1}'), (2, b'{"count":2}'),
                                      (3, b'{"count":3}'), (4, b'{"count":3}'), (2**64, b'{"count":3}')])
def test_at(n, state):
    assert output("--at", str(n), COUNT, stdin=GOOD) == state + b"\n"
    assert output(COUNT, f"--at={n}", stdin=GOOD) == state + b"\n"


def test_at_over_files(tmp_path):
    one = tmp_path / "one"
    one.write_bytes(GOOD)
    assert output("--at", "4", TYPES, one, one) == b'{"a":3,"b":1}\n'
    # What comes behind is not even opened.
    assert output("--at", "3", COUNT, one, "/does/not/exist") == b'{"count":3}\n'
    assert output("--at", "0", COUNT, "/does/not/exist") == b'{"count":0}\n'


def test_at_does_not_wait():
    """It ends with its last event, though more could come."""
    process = subprocess.Popen([PROGRAM, "fold", "--at", "2", COUNT], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE)
    os.write(process.stdin.fileno(), b'{"type":"a"}\n{"type":"a"}\n')
    assert process.wait(timeout=300) == 0
    assert process.stdout.read() == b'{"count":2}\n'
    process.stdin.close()


def test_at_a_time():
    """Up to the first event that came later, though earlier ones follow it."""
    events = b"".join(b'{"type":"a","ts":%d}\n' % ts for ts in (100, 50, 200, 150, 300_000, 10**15, 400))
    for time, n in (("1970-01-01T00:01:39Z", 0), ("1970-01-01T00:01:40Z", 2), ("1970-01-01T01:03:20+01:00", 4),
                    ("1970-01-02", 4), ("-1h", 7), ("now", 7), ("1969-12-31", 0)):
        assert output("--at", time, COUNT, stdin=events) == b'{"count":%d}\n' % n, time
        assert run("--each", "--at", time, COUNT, stdin=events).stdout.count(b"\n") == n
    assert output("--at", "1970-01-01T00:02", COUNT, stdin=events, env={**os.environ, "TZ": "UTC"}) == b'{"count":2}\n'
    assert output("--at", "1970-01-01T00:02", COUNT, stdin=events, env={**os.environ, "TZ": "UTC-1"}) == b'{"count":0}\n'


def test_at_is_a_line_of_each():
    """With bad and blank lines too: what was skipped is no event."""
    lines = run("--each", TYPES, stdin=MIXED).stdout.splitlines(True)
    assert len(lines) == 3
    for n, line in enumerate(lines, 1):
        assert run("--at", str(n), TYPES, stdin=MIXED).stdout == line
    assert b"".join(lines[:2]) == run("--at", "2", "--each", TYPES, stdin=MIXED).stdout


def test_at_stops_before_a_bad_line():
    r = run("--at", "2", "--strict", COUNT, stdin=MIXED)
    assert (r.returncode, r.stdout, r.stderr) == (0, b'{"count":2}\n', b"")


def test_jq(jq):
    reducer = jq(".[$event.type] += 1")
    assert output(reducer, stdin=GOOD) == b'{"a":2,"b":1}\n'
    assert output("--each", reducer, stdin=GOOD) == b'{"a":1}\n{"a":1,"b":1}\n{"a":2,"b":1}\n'
    assert output(reducer) == b"null\n"


# Bad lines.

def test_bad_lines_are_reported_and_skipped():
    r = run(TYPES, stdin=MIXED)
    assert (r.returncode, r.stdout) == (0, b'{"a":2,"b":1}\n')
    said = r.stderr.decode().splitlines()
    assert said == ["eventfold: standard input:4: column 1: an event is a JSON object",
                    'eventfold: standard input:7: column 1: there is no "type"']


def test_bad_lines_say_their_file(tmp_path):
    """Numbers begin anew with each file, over blank lines and all."""
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_bytes(MIXED)
    two.write_bytes(b'\n{"type":"a","ts":-1}\n{"type":"a"')
    r = run(COUNT, one, two, one)
    assert (r.returncode, r.stdout) == (0, b'{"count":6}\n')
    where = [line.split(": ")[1:3] for line in r.stderr.decode().splitlines()]
    assert where == [[f"{one}:4", "column 1"], [f"{one}:7", "column 1"],
                     [f"{two}:2", "column 18"], [f"{two}:3", "column 12"],
                     [f"{one}:4", "column 1"], [f"{one}:7", "column 1"]]


def test_the_same_without_each_and_with_it():
    assert run("--each", TYPES, stdin=MIXED).stderr == run(TYPES, stdin=MIXED).stderr


def test_strict():
    assert output("--strict", TYPES, stdin=GOOD + b"\n \n" + GOOD) == b'{"a":4,"b":2}\n'
    said = complaint("--strict", TYPES, stdin=MIXED)
    assert said == "eventfold: standard input:4: column 1: an event is a JSON object\n"


def test_strict_each():
    r = run("--strict", "--each", COUNT, stdin=MIXED)
    assert (r.returncode, r.stdout) == (1, b'{"count":1}\n{"count":2}\n')
    assert r.stderr.count(b"\n") == 1


def test_strict_opens_no_other_file(tmp_path):
    one = tmp_path / "one"
    one.write_bytes(b"oops")
    assert "one:1: column 1" in complaint("--strict", COUNT, one, "/does/not/exist")


# Broken reducers.

def test_reducer_that_fails(jq, tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_bytes(GOOD)
    two.write_bytes(b'\n{"type":"stop"}\n{"type":"a"}\n')
    reducer = jq('if $event.type == "stop" then error("enough") else . + 1 end')
    said = complaint(reducer, one, two)
    assert said.startswith(f"eventfold: {two}:2: the reducer failed: ") and "enough" in said
    r = run("--each", reducer, one, two)
    assert (r.returncode, r.stdout) == (1, b"1\n2\n3\n")
    assert r.stderr.decode() == said


def test_reducer_that_does_not_compile(jq):
    reducer = jq("def (")
    said = complaint(reducer, stdin=GOOD)
    assert said.startswith(f"eventfold: {reducer}: ")


def test_not_a_shared_object(tmp_path):
    reducer = tmp_path / "x.so"
    reducer.write_bytes(b"")
    assert complaint(reducer) == f"eventfold: {reducer}: cannot load it: file too short\n"
    reducer.write_bytes(b"junk " * 1000)
    said = complaint(reducer)
    assert said.startswith(f"eventfold: {reducer}: cannot load it: ") and "/proc/" not in said


def test_reducer_is_a_link(tmp_path):
    (tmp_path / "mine.so").symlink_to(COUNT)
    r = run("mine.so", stdin=GOOD, cwd=tmp_path)
    assert (r.returncode, r.stdout) == (0, b'{"count":3}\n')


# Reducers that end their process.

BAD = pathlib.Path(os.environ["EVENTFOLD_BUILD"]) / "tests/unit"
SANITIZED = os.environ.get("EVENTFOLD_SLOW") == "1"
MANY = b'{"type":"a"}\n' * 600


def last_words(*arguments, stdin):
    """The states it prints, and what it says at last. (A sanitizer has more to say, and ends the process in its own way.)"""
    r = run("--each", *arguments, stdin=stdin)
    assert r.returncode == 1
    said = r.stderr.decode().splitlines()
    assert SANITIZED or len(said) == 1
    return r.stdout.splitlines(), said[-1]


@pytest.mark.parametrize("name, how", [("crash", "killed by signal 11 (Segmentation fault)"),
                                       ("abort", "killed by signal 6 (Aborted)"),
                                       ("leave", "it ended its process with status 0")])
def test_reducer_that_ends_the_process(name, how, tmp_path):
    one = tmp_path / "one"
    one.write_bytes(b'{"type":"a"}\n' * 100)
    states, said = last_words(BAD / f"bad_{name}.so", one, "-", stdin=MANY)
    assert states == [b"%d" % i for i in range(1, 500)]
    where = "eventfold: standard input:400: the reducer failed: "
    assert said == where + how or (SANITIZED and said.startswith(where))


DEEP = 'if $event.type == "b" then reduce range(1000000) as $i (.; [.]) | 1 else . + 1 end'


def test_deep_nesting(jq):
    r = run("--each", jq(DEEP), stdin=GOOD)
    assert (r.returncode, r.stdout) == (0, b"1\n1\n2\n")


def test_deep_nesting_in_libjq(jq):
    """libjq frees it by recursion, and runs out of stack."""
    states, said = last_words(jq(f"([1] | bsearch(1)) as $plain | {DEEP}"), stdin=GOOD)
    assert states == [b"1"]
    assert said.startswith("eventfold: standard input:2: the reducer failed: ")


@pytest.mark.parametrize("program, why", [
    ("$event.ts * 1e10 | todate", "errror converting number of seconds since epoch to datetime"),
    (".days[$event.ts * 1e10 | todate[:10]] += 1", "errror converting number of seconds since epoch to datetime"),
    ('$event.ts | strftime([])', "strftime/1 requires a string format"),
    (".l[$event.ts] = 1", "Array index too large"),
    ('setpath(["l", $event.ts]; 1)', "Array index too large"),
    (".[2147483647] += 1", "Array index too large"),
    ('["x", 1, 2] | mktime', "mktime requires parsed datetime inputs"),
])
def test_libjq_ends_the_process(program, why, jq):
    """What libjq 1.6 aborts at, or worse, is an error like any other."""
    said = complaint(jq(program), stdin=b'{"type":"a","ts":1700000000}\n')
    assert said == f"eventfold: standard input:1: the reducer failed: {why}\n"


@pytest.mark.skipif(SANITIZED, reason="a sanitizer knows no limit of memory")
def test_memory(jq):
    grow = jq('. + "0123456789abcdef" * 1000000')
    states, said = last_words("--memory", "100M", grow, stdin=GOOD * 10)
    assert len(states) < 10
    assert said.startswith(f"eventfold: standard input:{len(states) + 1}: the reducer failed: ")
    for enough in ("0", str(2**64 - 1), str(2**64 - 2**20)):
        assert output("--memory", enough, COUNT, stdin=GOOD) == b'{"count":3}\n'
    complaint("--memory", "lots", COUNT, status=2)


@pytest.mark.skipif(SANITIZED, reason="a sanitizer needs more than the sandbox has")
def test_reducer_has_no_rights():
    """As in a mount: its state is the list of what it could do."""
    assert output(BAD / "bad_escape.so", stdin=GOOD) == b"[]\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_files_of_others(tmp_path, jq):
    """Without its rights root could not read them any more."""
    events, reducer = tmp_path / "events", jq(". + 1")
    events.write_bytes(GOOD)
    for path in (events, reducer):
        os.chown(path, 12345, 12345)
        path.chmod(0o600)
    assert output(reducer, events) == b"3\n"


def test_reader_that_leaves():
    """Nobody reads on: it ends as any program in a pipe does, and says nothing."""
    process = subprocess.Popen([PROGRAM, "fold", "--each", COUNT], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE)
    process.stdout.close()
    try:
        process.communicate(input=MANY * 100, timeout=300)
    except BrokenPipeError:
        pass
    assert process.wait(timeout=300) == -signal.SIGPIPE


def test_child_does_not_stay():
    """Whoever kills the command has killed all of it."""
    process = subprocess.Popen([PROGRAM, "fold", "--each", COUNT], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    os.write(process.stdin.fileno(), GOOD)
    assert [process.stdout.readline() for _ in range(3)] == [b'{"count":%d}\n' % i for i in (1, 2, 3)]
    process.kill()
    process.wait(timeout=300)
    # The end comes although standard input is still open.
    assert process.stdout.read() == b""
    process.stdin.close()


# Everything else that can be wrong.

def test_missing_things(tmp_path):
    assert complaint("/does/not/exist.so") == \
        "eventfold: cannot open /does/not/exist.so: No such file or directory\n"
    assert complaint(COUNT, "/does/not/exist") == \
        "eventfold: cannot read /does/not/exist: No such file or directory\n"
    assert complaint(COUNT, tmp_path) == f"eventfold: cannot read {tmp_path}: Is a directory\n"


@pytest.mark.parametrize("arguments", [[], ["--each"], ["--no-such", COUNT], [COUNT, "--at"], ["-x", COUNT],
                                       [COUNT, "--at", "x"], [COUNT, "--at", ""], [COUNT, "--at", "-1"],
                                       [COUNT, "--at", "1x"], [COUNT, "--at", " 1"],
                                       [COUNT, "--each=1"], ["x.c"], ["jq"]])
def test_usage_errors(arguments):
    complaint(*arguments, status=2)


def test_help():
    r = run("--help")
    assert (r.returncode, r.stderr) == (0, b"")
    for word in ("--each", "--at N", "--strict", "REDUCER", "FILE"):
        assert word in r.stdout.decode()
    assert all(len(line) <= 100 for line in r.stdout.decode().splitlines())
    assert run("-h").stdout == r.stdout


@pytest.mark.parametrize("options", [[], ["--each"]])
def test_output_that_cannot_be_written(options):
    with open("/dev/full", "wb") as full:
        r = subprocess.run([PROGRAM, "fold", *options, COUNT], input=GOOD, stdout=full,
                           stderr=subprocess.PIPE, timeout=300)
    assert r.returncode == 1
    assert r.stderr == b"eventfold: cannot write: No space left on device\n"


def test_all_orders_of_options(tmp_path):
    """Options may stand before, between and behind the rest; behind -- there are none."""
    one = tmp_path / "one"
    one.write_bytes(GOOD)
    for order in itertools.permutations(["--each", "--at=2", "--strict"]):
        for i in range(4):
            arguments = [*order[:i], TYPES, *order[i:], one]
            assert output(*arguments) == b'{"a":1}\n{"a":1,"b":1}\n'
    assert complaint("--", COUNT, "--each") == \
        "eventfold: cannot read --each: No such file or directory\n"


@pytest.mark.parametrize("arguments, says", [
    (["--att", "3", COUNT], "there is no option --att; perhaps --at is meant"),
    (["--eahc", COUNT], "there is no option --eahc; perhaps --each is meant"),
    (["--wherever", COUNT], "there is no option --wherever\n"),
    (["-q", COUNT], "there is no option -q\n"),
    ([COUNT, "--at"], "--at needs a value"),
    (["--each=1", COUNT], "--each takes no value"),
])
def test_wrong_options_are_named(arguments, says):
    assert says in complaint(*arguments, status=2)


# Rules.

SEATS = 'if $event.type == "taken" then .[$event.data] = true else empty end'
FREE = 'if $event.type == "taken" and .[$event.data] then "\\($event.data) is taken" else empty end'


@pytest.fixture
def rules(tmp_path):
    """A directory of rules, with one of reducers beside it."""
    def write(rules, reducers={}):
        for directory, files in (("rules", rules), ("reducers", reducers)):
            (tmp_path / directory).mkdir()
            for name, program in files.items():
                (tmp_path / directory / name).write_text(program)
        return tmp_path / "rules"
    return write


def taken(*names):
    return b"".join(b'{"type":"taken","data":"%s"}\n' % name.encode() for name in names)


def test_rules(rules, tmp_path):
    where = rules({"seats.jq": FREE, "form.jq": '$event.type != "x"', "readme.txt": "no rule"}, {"seats.jq": SEATS})
    assert output("--rules", where, stdin=taken("a", "b", "c")) == b""
    r = run("--rules", where, stdin=taken("a", "b", "a") + b'\n{"type":"x"}\n' + taken("b", "c"))
    assert r.stdout.decode().splitlines() == [
        "standard input:3: seats: a is taken", "standard input:5: form", "standard input:6: seats: b is taken",
    ]  # fmt: skip
    assert (r.returncode, r.stderr) == (1, b"")
    # Files go on from each other; lines are counted in each.
    for name, content in ("one", taken("a")), ("two", taken("b", "a")):
        (tmp_path / name).write_bytes(content)
    r = run("--rules", where, tmp_path / "one", tmp_path / "two")
    assert r.stdout.decode() == f"{tmp_path}/two:2: seats: a is taken\n"


def test_rules_and_groups(rules):
    where = rules({"seats.jq": FREE}, {"seats.jq": SEATS})

    def group(*names):
        return json.dumps([{"type": "taken", "data": name} for name in names]).encode() + b"\n"

    r = run("--rules", where, stdin=group("a", "b") + group("c", "b") + group("c", "d") + b"[]\n" + group("e", "e"))
    assert r.stdout.decode().splitlines() == ["standard input:2: seats: b is taken", "standard input:5: seats: e is taken"]
    r = run("--rules", where, stdin=b'[{"type":"taken","data":1},{"type":3}]\n')
    assert (r.returncode, r.stdout) == (1, b"") and b"standard input:1: column " in r.stderr


def test_rules_with_other_reducers(rules, tmp_path):
    where = rules({"seats.jq": FREE})
    assert output("--rules", where, stdin=taken("a", "a")) == b""  # there is no state
    (tmp_path / "others").mkdir()
    (tmp_path / "others/seats.jq").write_text(SEATS)
    assert run("--rules", where, "--reducers", tmp_path / "others", stdin=taken("a", "a")).returncode == 1


def test_rules_that_are_none(rules, tmp_path):
    where = rules({"form.jq": "nope("}, {})
    assert "form: line 1, column 6: " in complaint("--rules", where)
    assert "No such file" in complaint("--rules", tmp_path / "nowhere")
    assert "there is no rule in" in complaint("--rules", tmp_path / "reducers")
    assert "--rules goes with" in complaint("--rules", where, "--each", status=2)
    assert "--reducers goes with" in complaint("--reducers", where, COUNT, status=2)
    (where / "form.jq").write_text("true")
    assert "column 1: " in complaint("--rules", where, stdin=b"oops\n")


# What jq itself says, of the same state and event: what is let in, and else the reason.
LIKE_JQ = [
    "empty", "null", "true", "false", '"no"', "true, null, false", 'null, "a", "b"', "3", "[]", "{}", 'error("x")', "error(null)?",
    ".n == 3", ".n > $event.data.n", '.list | any(. == "b")', "all(.list[]; test(\"^[a-z]$\"))", ".list | index($event.data.s)",
    '$event.data as {$n, $s} | if $n > .n then "\\($s) has \\($n)" else empty end',
    "$event.data as [$a] ?// {n: $a} | $a == 5",
    'reduce .list[] as $x ({}; .[$x] += 1) | .a == 1', "[.list[] | ascii_upcase] | join(\"-\")",
    ".list[] | select(. == $event.data.s) | \"\\(.) is there\"", "first(.list[] | select(. > \"a\"))",
    "try error(\"caught\") catch .", "label $out | .list[] | if . == \"b\" then false, break $out else true end",
    "def twice($x): $x * 2; twice(.n) == 6", "limit(2; repeat(null))", ".missing.deep", ".n.deep", ".list.deep", "getpath([\"list\", 0])",
    "if .n then (\"a\", error(\"b\")) else null end", "$event.data | has(\"n\") and (.n | type == \"number\")",
    "to_entries | map(.key) == [\"list\", \"n\"]", "$event | keys == [\"data\", \"ts\", \"type\"]", "@text \"n: \\(.n)\"", "ltrimstr(\"x\") == .",
    "(.list | length) as $n | range($n) | . < 3", "foreach .list[] as $x (0; . + 1; . < 3)", "until(true; .) | .n | . == 3", "..|numbers|. == 3",
]  # fmt: skip
STATE = {"n": 3, "list": ["a", "b", "c"]}
ASKED = {"type": "asked", "data": {"n": 5, "s": "b"}, "ts": 1}


def said_by_jq(program):
    r = subprocess.run(["jq", "-c", "--argjson", "event", json.dumps(ASKED), program],
                       input=json.dumps(STATE), capture_output=True, text=True, timeout=60)
    for line in r.stdout.splitlines():
        value = json.loads(line)
        if value is not None and value is not True:
            return value if value else "" if value is False or value == "" else "?"
    return None if r.returncode == 0 else "!"


@pytest.mark.parametrize("program", LIKE_JQ)
def test_rules_are_as_jq(rules, program):
    where = rules({"it.jq": program}, {"it.jq": 'if $event.type == "set" then $event.data else empty end'})
    # The first event only makes the state.
    (where / "it.jq").write_text(f'if $event.type == "set" then null else ({program}) end')
    lines = json.dumps({"type": "set", "data": STATE, "ts": 1}) + "\n" + json.dumps(ASKED) + "\n"
    r = run("--rules", where, stdin=lines.encode())
    assert r.stderr == b""
    want, got = said_by_jq(program), r.stdout.decode()
    if want is None:
        assert got == ""
    elif isinstance(want, str) and want not in ("", "?", "!"):
        assert got == f"standard input:2: it: {want}\n"
    else:
        assert got.startswith("standard input:2: it")
