"""How programs are started here: the command line, the runner, notebooks."""
