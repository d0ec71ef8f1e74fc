"""jq's own tests, where they are at hand: Debian's source package has them (`apt-get source jq`), as tests/jq.test. They are read where
EVENTFOLD_JQ_TESTS says that they are, or else beside this file, and are no part of this project.

Each is a program, an input and its outputs. Those about values are run as reducers: the input is the state, the first output the next one.
"""

import json
import os
import pathlib
import re

import pytest
from differential import Pair

BUILD = pathlib.Path(os.environ["EVENTFOLD_BUILD"])
FILE = pathlib.Path(os.environ.get("EVENTFOLD_JQ_TESTS", pathlib.Path(__file__).resolve().parent / "jq.test"))
EVENT = '{"type":"t","data":{},"ts":1700000000}'
# What a reducer has no use for, or what is not the same in each process.
IMPURE = re.compile(r"\b(input|inputs|env|ENV|now|localtime|strflocaltime|modulemeta|import|include|get_search_list|halt_error|"
                    r"input_line_number|debug|stderr|__prog_args|ascii)\b|__jq")
# In 1.6 that is a number, and no good one; here it is so with 1.7, too.
NUMBERS = re.compile(r"\.e0, \.E1")
# A recursion as deep as that is an error here: docs/JQ.md.
DEEP = re.compile(r"range\(10000\).*flatten")


def published():
    """(program, input) of each test that has an output."""
    lines, test, failing = FILE.read_text().split("\n"), [], False
    for line in [*lines, ""]:
        if line.startswith("#"):
            continue
        if line.strip():
            failing |= line.startswith("%%FAIL")
            test.append(line)
            continue
        if len(test) > 2 and not failing:
            yield test[0], test[1]
        test, failing = [], False


@pytest.mark.skipif(not FILE.exists(), reason=f"there is no {FILE}: jq's own tests are in its source package")
def test_published():
    pair, count, wrong = Pair(BUILD), 0, []
    for program, given in published():
        try:
            state = json.dumps(json.loads(given), ensure_ascii=False, separators=(",", ":"))
        except ValueError:  # libjq reads nan
            continue
        if IMPURE.search(program) or DEEP.search(program) or NUMBERS.search(program):
            continue
        starts = [(state, [EVENT])]
        plain = pair.runs(pair.plain, f".[1] as $event | .[0] | {program}\n", "[{}, 0]".format, starts)
        if plain is None or plain[0].death:
            continue
        host = pair.runs(pair.host, program, str, starts)
        count += 1
        if host != plain:
            wrong.append(f"{program}\n  on {state}\n  libjq:\n{plain[0]}\n  eventfold:\n{host and host[0]}")
    pair.close()
    assert not wrong, "\n".join(wrong)
    assert count > 200
