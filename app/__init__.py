"""The doors: HTTP, callbacks, the command line. Knows everyone; nobody knows it."""
