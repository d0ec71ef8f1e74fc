"""What is stored is what was written, byte for byte, with what was missing spliced in."""

import json
import time

import pytest
from xxh64 import hex_of

AS_WRITTEN = [
    '{"type":"n","data":9007199254740993,"ts":1}',
    '{"type":"n","data":[1.0,1e2,1E+2,-0,0.10,100000000000000000000],"ts":2}',
    '{"type":"n","data":"\\u00e9\\/\\n\\u005c","ts":3}',
    '{"ts":4,"z":1,"data":{"b":1,"a":2,"b":3},"a":null,"type":"n"}',
    '{"type" : "n" ,\t"data": [ 1 , 2 ] , "ts":5 }',
    '{"type":"ü","data":"日本語 😀","ts":18446744073709551615,"id":null,"actor":"me","meta":{"x":[]}}',
]


@pytest.mark.parametrize("line", AS_WRITTEN)
def test_bytes_come_back_as_written(m, line):
    m.append(line)
    assert m.history() == line.encode() + b"\n"
    assert (m.data / "app.jsonl").read_bytes() == m.history()


def test_missing_keys_are_spliced_in(m):
    before = int(time.time())
    m.append('{"type":"a"}', '  {"type":"a","data":1 }\t', '{"ts":7,"type":"a"}')
    after = int(time.time())
    lines = m.history().decode().splitlines()
    events = [json.loads(line) for line in lines]
    assert lines[0].startswith('{"type":"a"') and events[0]["data"] is None
    assert lines[1].startswith('{"type":"a","data":1') and events[1]["data"] == 1
    assert all(before <= ev["ts"] <= after for ev in events[:2])
    assert events[2] == {"ts": 7, "type": "a", "data": None}
    assert lines[2].startswith('{"ts":7,"type":"a"')


def test_blank_lines_and_crlf(m):
    assert m.sh(r"""printf '\n  \n{"type":"a","data":1,"ts":1}\r\n\r\n\t{"type":"b","data":2,"ts":2}\n\n' > mnt/events/app""")
    assert m.history() == b'{"type":"a","data":1,"ts":1}\n{"type":"b","data":2,"ts":2}\n'
    assert m.rejected() == []


def test_positions_and_hashes(m):
    lines = [line.encode() for line in AS_WRITTEN]
    for i, line in enumerate(lines):
        m.append(line)
        off = sum(len(done) + 1 for done in lines[: i + 1])
        want = hex_of(line)
        assert m.head() == f"{off}:{want}\n"
        assert (m.mnt / "views/count.offset").read_text() == f"{off}\n"
        assert (m.mnt / "views/count.hash").read_text() == f"{want}\n"
        assert m.snapshot("count") == {"state": {"count": i + 1}, "offset": off, "hash": want}
    m.remount()
    assert m.head() == f"{off}:{want}\n"
    assert m.hash("count") == want


@pytest.mark.parametrize("size", [1, 31, 32, 33, 4095, 4096, 4097, 100_000, 1_048_576, 3_000_000])
def test_lines_of_all_sizes(m, size):
    line = b'{"type":"a","data":"' + b"x" * size + b'","ts":1}'
    m.append(b'{"type":"before"}')
    with open(m.app, "ab", buffering=0) as f:
        rest = line + b"\n"
        while rest:  # more than 1 MiB comes in several writes
            rest = rest[f.write(rest) :]
    assert m.history().splitlines()[1] == line
    assert m.hash("count") == hex_of(line)
    assert m.view("count") == {"count": 2}


def test_line_of_16_mib_and_no_longer(m):
    edge = b'{"type":"a","ts":1,"data":"'
    line = edge + b"x" * ((16 << 20) - len(edge) - 2) + b'"}'
    (m.path / "line").write_bytes(line + b"\n")
    m.sh("cat line > mnt/events/app")
    assert m.history() == line + b"\n"
    (m.path / "line").write_bytes(line[:-2] + b'x"}\n')
    assert m.sh("cat line > mnt/events/app", check=False).returncode != 0
    assert m.history() == line + b"\n"
    assert m.view("count") == {"count": 1}
