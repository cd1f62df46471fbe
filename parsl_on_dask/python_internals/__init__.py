"""The private parts of Python's own library that this package uses: each with its reason, and nowhere else.

``tests/python_internals`` has a test of each function's name, which fails when the private part changes.
"""
