"""Errors about the way of functions, arguments and results between processes."""
