"""docs/CLUSTER.md is true: its commands are run, as those of the other pages (tests/mount/test_docs.py), with real etcds."""

import transcript
from harness import ROOT


def test_transcript(tmp_path):
    transcript.check((ROOT / "docs/CLUSTER.md").read_text(), tmp_path)
