"""How fast a configuration is: the command ``perf``."""
