"""What scripts/bench runs: a module a subject, each registers its rows."""
