"""Blocks of workers from LSF."""
