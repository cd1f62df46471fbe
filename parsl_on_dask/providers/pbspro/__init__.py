"""Blocks of workers from PBS Pro and OpenPBS."""
