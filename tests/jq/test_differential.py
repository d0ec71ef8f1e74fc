"""eventfold's jq is libjq's: programs from a grammar, and some that were once told apart.

EVENTFOLD_BUILD is the build directory. What is compared and how: differential.py, which can also be run by itself, for a seed that
was reported or for as long as one likes.
"""

import os
import pathlib
import re
import subprocess

import pytest
from differential import Differential, Pair, Written
from programs import Program

BUILD = pathlib.Path(os.environ["EVENTFOLD_BUILD"])
# A sanitized build, all there are to be, and what is bearable at each build.
COUNT = 200 if os.environ.get("EVENTFOLD_SLOW") == "1" else 2000 if os.environ.get("EVENTFOLD_FULL") in ("1", "2") else 300

PROGRAMS = [
    # Paths that are asked for within others.
    "path(first(.a, .b)) as $p | setpath($p; 1)",
    "[paths] as $p | .n = ($p | length)",
    "[paths(type == \"number\")] as $p | delpaths($p)",
    # Paths that are none: which one is named.
    "try delpaths([(100, .a)]) catch .",
    "try delpaths([{}, \"x\", [1], 1, true, [null], false]) catch .",
    "try delpaths([{}, [\"n\"]]) catch .",
    "path(.a |= 1)",
    "[path(.a = 1, .b)]",
    "(.a | first(., 1)) |= 2",
    # Indexes that are no whole numbers.
    "del(.l[0.5 | -(.)])",
    "del(.l[-0.5], .l[1.5])",
    ".l[-0.5] |= empty",
    ".l[-1.5] = 3 | del(.b[-1.5])",
    # No output in the middle.
    '.n += 1 | walk(if type == "number" then empty else . end)',
    '.n += 1 | walk(if type == "object" then empty else . end)',
    ".n += 1 | map_values(empty)",
    ".n = 1 | .l[]? |= empty | select(.n > 5)",
    ".n += 1 | error(null)",
    "def f: .n = 1; f | empty",
    "reduce (1, 2) as $x (.; .n = $x | empty)",
    "last(.n = 1 | .n, 2) | empty",
    "last(.n |= 0 | while(.n < 3; .n += 1)) | (error)? | try (. // {}) catch .",
    # Keys that are constants, and no strings.
    "{([1]): 2}",
    "{({}): 2}",
    # Paths that end in the middle of others.
    "first(paths as $p | getpath($p)) |= 2",
    "[path(first((paths as $p | getpath($p))))]",
    # Matches of nothing in nothing.
    '"" | [scan("")]',
    '"" | gsub("";"x")',
    # Words without blanks.
    "if .n<3then .n+=1else .n=0end",
    "if 1<2then 3else.end",
    "if .n<3then .n += 1 | empty else . end",
    "[.l[]?|1]|.[0]as$x|$x",
    ".n=.25|.m=1e3|.n+=1.5e1",
    # Keys that can't be any, known when it is compiled and not.
    "{([1, {a: [2]}]): 1}",
    "if . then 1 else {({}): 1} end",
    "{([1, .]): 1}",
    "{({a}): 1}",
    # Labels.
    "label $f | .n |= (1 | ., break $f)",
    "label $f | 0 | recurse(. + 1)? | if . > 3 then ., break $f else empty end",
    "label $f | .n = 1 | (.m |= break $f)",
    "[label $f | (1, 2, 3) | ., (select(. == 2) | break $f)]",
    "label $f | label $f | .n |= (., break $f)",
    "(label $f | break $f) // 5",
    # Where it stands.
    "$__loc__",
    "\n\n  $__loc__ | # a comment\n .line + $__loc__.line",
    "{a: $__loc__}",
    # A name like any other.
    "def f($ENV): $ENV; f(3)",
    ". as $ENV | [$ENV]",
    ". as [$ENV] | $ENV",
    ". as {a: $ENV} ?// $ENV | $ENV",
    "reduce 1 as $ENV (.; $ENV)",
    "def debug: .n = 1; debug",
    "def f(input): input + 1; f(1)",
    # The whole event in what an error says.
    "$event | .type | error($event)",
    '$event.type + 1 | . + $event',
    "$event.ts |= 1",
    "try ($event.ts |= 1) catch .",
    "path($event.type)",
    "($event.data.n + 1) | .a.b",
    # Several outputs, of which the first counts, though a later one is an error.
    '.a = (1, error("x"))',
    '(.a, .b) = (1, error("x"))',
    'first(.l[]?, 1, error("x")) as $x | .n = $x',
    '(1, error("x")) // 2',
    'limit(2; (1, error))',
    'try (1, error("x")) catch error("y")',
    '.a |= (1, error("x"))',
    # In place, and beside somebody who still holds it.
    ". as $old | .n += 1 | .old = $old.n",
    ".m as $m | .m.x += 1 | .before = $m",
    "(.n // 0) as $n | .m[$event.type] += $n + 1 | .l += [$n]",
    ". // {} | .m[$event.type] |= ((. // {}) | .n += 1 | .last = $event.ts)",
    "if $event.type == \"t\" then .m.t.n += 1 elif .n then del(.n) else empty end",
    "def add($n): .n += $n; def twice($n): add($n) | add($n); twice($event.data.n? // 1)",
    "def keys: if .n then empty else .n = 1 | keys end; keys",
    "def length: if .n then empty else .n = 1 | length end; length",
    "def select($f): .n = 3; .n = 1 | select(false)",
    ".n = 1 | def empty: .m = 2; empty",
    "reduce ($event.data.tags[]?) as $t (.; .m[$t] += 1)",
    "del(.m[$event.type], .n)",
    ".m[.s?] //= {n: 1}",
    # Numbers that JSON does not have.
    ".n = nan | .n < 1",
    "[nan] | .[0] == null",
    ".n = infinite | .n - .n",
    ".n = 1e308 * 10 | .n",
    '.x = ("nan" | tonumber) | .y = (.x | isnan)',
    ".x |= 1e1000",
    "[.n, 1e308, 1e308] | [add, (add | isinfinite)]",
    # Dates.
    "$event.ts | todate",
    "$event.ts | strftime(\"%A\", \"%j\")",
    "[$event.ts | gmtime | todate, mktime, todateiso8601]",
    "$event.ts | todate | fromdate, strptime(\"%Y-%m-%dT%H:%M:%SZ\")",
    "($event.ts * 1e12) | todate",
    "path($event.ts | todate)",
    "$event.ts | localtime, strflocaltime(\"%F %T %Z %z %s\"), (localtime | mktime, todate, strftime(\"%H %Z\"))",
    "1774745999, 1774746000, 1792886400, 1792890000, 0, -1.5 | [localtime, strflocaltime(\"%c\")]",
    "$event.ts | strflocaltime(\"%A\", \"%j\"), (try strflocaltime(1) catch .), (try (\"x\" | localtime) catch .)",
    "[1e18, 0] | try strflocaltime(\"%Y\") catch .",
    "1e18, -1e18, \"x\", [\"x\"], [] | try localtime catch ., try strflocaltime(\"%Y\") catch .",
    # Regular expressions: empty matches, groups that are named and that are none, flags, what is no expression.
    '"aab" | [match("(?=b)"; "g")]',
    '"éab" | [match("(?=b)"; "g")]',
    '"€x" | [match("(?=€)|."; "g")]',
    '"ab" | [match("(?<n>a)|(?<n>b)|(c)*"; "g")]',
    '"aXbé" | [match("(x)()(é)?|b"; "gi")], [scan("[a-zé]")], [splits("X")], sub("é"; "e"), capture("(?<l>.)é")',
    '"a\\nb" | [match(".+"; "gs").string], [match("a .b"; "xp").string], [match("a|a."; "l").string], [match("x*"; "gn")]',
    '"a" | test("a", "b", ["A", "i"])',
    '"a" | try test("(") catch ., try test("a"; "q") catch ., try test(1) catch ., try test("a"; 1) catch .',
    '1 | try test("a") catch .',
    '"" | [match(""; "")], [scan("x")], test("^$")',
    '"\\($event.type)x" | gsub("(?<c>[a-z])"; "<\\(.c)>")',
    # Where libjq comes to an end.
    '"é" | [scan("x*")]',
    '"" | [match(""; "g")]',
    "[1e18, 0] | strftime(\"%Y\")",
    "1 | strftime(1)",
    "paths as $p | getpath($p)",
    ".l[$event.ts] = 1",
    "setpath([2147483647]; 1)",
    "reduce range(10002) as $i (0; [.]) | tojson",
]


@pytest.fixture(scope="module")
def pair():
    made = Pair(BUILD)
    yield made
    made.close()


@pytest.mark.parametrize("program", PROGRAMS)
def test_written(program, pair):
    what, runs = pair.judge(Written(program))
    assert runs is None, f"{what}:\n{runs[0] and runs[0][0]}\n{runs[1] and runs[1][0]}"


def test_generated():
    test = Differential(BUILD)
    counts = test.check(1, COUNT)
    print(", ".join(f"{n} {what}" for what, n in counts.most_common()))
    assert not test.found, "\n".join(test.found)
    # A grammar that makes nothing but errors would find nothing.
    assert counts["same"] > COUNT * 0.8


def test_most_are_compiled(tmp_path):
    """What is left to libjq as a whole is right, but slow."""
    seen = {"compiled": 0, "run": 0}
    for seed in range(1, 101):
        (tmp_path / "r.jq").write_bytes(Program(seed).text.encode("utf-8", "surrogatepass"))
        r = subprocess.run([BUILD / "src/cli/eventfold", "fold", "--explain", tmp_path / "r.jq"], capture_output=True, text=True)
        if "this is another jq" in r.stdout:
            pytest.skip("only what jq 1.6 does is compiled, and this is another jq")
        if r.returncode == 0:
            seen[re.match(r"\w+", r.stdout)[0]] += 1
    print(seen)
    assert seen["compiled"] >= 0.8 * sum(seen.values()) > 60
