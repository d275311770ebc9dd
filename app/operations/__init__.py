"""The operations API: commands, one module a noun."""
