"""Blocks of workers from Grid Engine."""
