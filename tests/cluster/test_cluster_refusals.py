"""What is not this log's history is refused with the reason, and nothing of it is appended."""

import errno
import json
import os
import shutil

import pytest
from following import opened, until
from harness import copy_tree, line_of
from machines import LOG, cluster_command

BATCH = f"/eventfold/{LOG}/batch/"


def refused(m, *words):
    """It has failed with a reason that has these words; it reads, and takes nothing."""
    why = m.until_state("failed")["why"]
    assert not [word for word in words if word not in why], why
    before = m.history()
    with opened(m.app, os.O_WRONLY | os.O_APPEND) as fd:
        with pytest.raises(OSError) as e:
            os.write(fd, line_of({"type": "refused"}))
    assert e.value.errno == errno.EROFS
    assert why in m.rejected()[-1]["reason"] or m.rejected()[-1]["reason"] in why
    assert m.view("count") == {"count": before.count(b"\n")}
    assert m.history() == before
    return before


def other_byte(value):
    """One letter of the last line's text."""
    at = value.rindex(b'"y') + 1
    return value[:at] + b"Y" + value[at + 1 :]


def other_sha(value):
    header, lines = value.split(b"\n", 1)
    b = json.loads(header)
    b["after"] = "0" * 64
    return json.dumps(b, separators=(",", ":")).encode() + b"\n" + lines


def no_batch(value):
    return b"{}\n"


def longer(value):
    return value + line_of({"type": "y", "data": "one more"})


@pytest.mark.parametrize("change", [other_byte, other_sha, no_batch, longer])
def test_a_batch_that_was_changed(new_cluster, change):
    c = new_cluster()
    a, b, late = c.machines
    a.append({"type": "x"})
    late.until_events(1)
    before = late.history()
    late.unmount()
    a.append({"type": "y", "data": "of the others"})
    b.until_events(2)
    key, value = list(c.engine.keys(BATCH).items())[-1]
    c.engine.put(key, change(value))
    late.start()
    assert refused(late) == before
    # A look at it does not mend it, and the others are well.
    late.remount()
    assert refused(late) == before
    a.append({"type": "z"})
    b.until_events(3)
    assert a.history() == b.history()


def test_a_batch_that_is_gone(new_cluster):
    c = new_cluster(machines=2)
    a, late = c.machines
    a.append({"type": "x"})
    late.until_events(1)
    before = late.history()
    late.unmount()
    for i in range(3):
        a.append({"type": "y", "data": i})
    c.engine.delete(list(c.engine.keys(BATCH))[-2])
    late.start()
    why = late.until_state("failed")["why"]
    assert why and late.history().startswith(before) and a.history().startswith(late.history())
    assert refused(late).count(b"\n") <= 2


def test_an_old_backup_of_data(new_cluster):
    c = new_cluster(machines=2)
    a, b = c.machines
    b.append({"type": "x"})
    b.unmount()
    copy_tree(b.data, b.path / "backup")
    b.start()
    b.until_ready()
    a.append({"type": "y"})
    b.append({"type": "z"})
    position = len(b.history())
    until(lambda: member_position(c, b) == position, "its place is known")
    b.unmount()
    shutil.rmtree(b.data)
    copy_tree(b.path / "backup", b.data)
    b.start()
    assert refused(b).count(b"\n") == 1
    # It is a person's to say that it may be as it is: then it takes the rest from the engine.
    machine = b.cluster()["machine"]
    b.unmount()
    done = cluster_command("forget", "-o", a.engine_options, machine)
    assert done.returncode == 0, done.stderr
    b.start()
    b.until_ready()
    b.append({"type": "after"})
    assert [json.loads(line)["type"] for line in c.agree().splitlines()] == ["x", "y", "z", "after"]


def member_position(c, m):
    value = c.engine.get(f"/eventfold/{LOG}/member/{m.cluster()['machine']}")
    return json.loads(value)["position"] if value else None


@pytest.mark.parametrize("events", [1, 5])
def test_data_of_another_log(new_cluster, new_mount, events):
    """Shorter than the engine's, and longer."""
    c = new_cluster(machines=1)
    (a,) = c.machines
    for i in range(3):
        a.append({"type": "x", "data": i})
    stranger = c.add()
    stranger.options, options = None, stranger.options
    stranger.start()
    for i in range(events):
        stranger.append({"type": "other", "data": i})
    before = stranger.history()
    stranger.unmount()
    stranger.options = options
    stranger.start()
    assert refused(stranger) == before
    a.append({"type": "after"})
    assert a.history().count(b"\n") == 4


def test_a_log_that_the_engine_does_not_know(new_cluster):
    c = new_cluster(machines=1, begin=False)
    (m,) = c.machines
    m.start()
    refused(m, "eventfold cluster begin")


def test_a_log_is_begun_once(new_cluster):
    c = new_cluster(machines=2, begin=False)
    a, b = c.machines
    c.begin(a)
    done = cluster_command("begin", "-o", b.engine_options, b.data)
    assert done.returncode != 0 and "--anew" in done.stderr
    a.start()
    a.until_ready()
    a.append({"type": "x"})
    done = cluster_command("begin", "-o", a.engine_options, "--anew", a.data)
    assert done.returncode != 0, "it is mounted"
    b.start()
    b.until_events(1)


def test_a_log_that_becomes_shared_and_ones_own_again(new_cluster):
    c = new_cluster(machines=2, begin=False)
    a, b = c.machines
    options, a.options = a.options, None
    a.start()
    for i in range(100):
        a.append({"type": "alone", "data": i})
    before = a.history()
    a.unmount()
    a.options = options
    c.begin(a)
    a.start()
    a.until_ready()
    assert a.history() == before
    a.append({"type": "shared"})
    assert a.history().startswith(before)
    a.sh(f"{os.environ.get('EVENTFOLD', 'eventfold')} copy mnt {b.data.with_name('copied')}")
    shutil.rmtree(b.data)
    b.data.with_name("copied").rename(b.data)
    b.start()
    b.until_ready()
    b.append({"type": "shared too"})
    history = c.agree()
    a.unmount()
    a.options = None
    a.start()
    assert a.history() == history
    a.append({"type": "alone again"})
    assert a.history().startswith(history) and a.status()["cluster"] is None
