"""Workers of Google's cloud."""
