"""Without the option nothing of it runs, and nothing of it is loaded. With it, the daemon still is not linked with what speaks HTTP."""

from pathlib import Path

from harness import descendants, eventfold, sh

FOREIGN = ("libcurl", "libssl", "libnghttp2")


def loaded(pid):
    return Path(f"/proc/{pid}/maps").read_text()


def programs(pid):
    return [Path(f"/proc/{p}/comm").read_text().strip() for p in descendants(pid)]


def test_a_log_of_ones_own(m):
    m.append({"type": "x"})
    m.view("count")
    for pid in (m.pid, *descendants(m.pid)):
        assert not [name for name in FOREIGN if name in loaded(pid)]
    assert not [name for name in programs(m.pid) if "cluster" in name]
    assert m.status()["cluster"] is None and not (m.mnt / "cluster").exists()
    assert not [line for line in (m.mnt / "metrics").read_text().splitlines() if line.startswith("eventfold_cluster")]


def test_only_the_agent_has_it(new_cluster):
    c = new_cluster(machines=1)
    (m,) = c.machines
    assert not [name for name in FOREIGN if name in loaded(m.pid)]
    assert "libcurl" in loaded(m.agent())
    assert m.agent() in descendants(m.pid)


def test_what_the_program_is_linked_with():
    libraries = sh(f"ldd {eventfold()}").stdout.decode()
    assert not [name for name in FOREIGN if name in libraries]
