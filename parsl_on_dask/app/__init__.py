"""What a user writes: apps, their errors, and the files that they promise."""
