"""How fast a configuration is: the command ``parsl-perf``."""
