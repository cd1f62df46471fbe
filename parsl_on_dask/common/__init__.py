"""What every room may use: errors, and the states of tasks. Nothing here imports what is above."""
