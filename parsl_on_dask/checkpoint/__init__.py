"""The result cache: keys, store and file format."""
