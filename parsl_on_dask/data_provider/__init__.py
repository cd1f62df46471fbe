"""Files, and how they get to where an app runs."""
