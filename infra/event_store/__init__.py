"""The event store: one log, one order, written by one function and read without gaps."""
