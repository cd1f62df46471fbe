"""Parsl's own tests, run against this package. ``ci/conformance/README.md`` says how."""
