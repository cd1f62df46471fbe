"""Blocks of workers from Slurm."""
