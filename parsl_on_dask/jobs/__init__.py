"""States of the jobs that blocks of workers run in, and what to do when jobs fail."""
