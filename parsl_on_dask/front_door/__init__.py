"""How a program comes in: the command line, the runner, notebooks."""
