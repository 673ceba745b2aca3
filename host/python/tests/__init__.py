"""Tests of the package: `python -m unittest discover` in `host/python`, or all of them, with pandas, the
dashboards and the trainer, by `cargo xtask python`."""
