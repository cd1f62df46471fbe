"""Blocks of workers from HTCondor."""
