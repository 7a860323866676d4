"""The run directory: all that one command did, on disk."""
