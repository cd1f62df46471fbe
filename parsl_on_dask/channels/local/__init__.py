"""The channel that goes nowhere."""
