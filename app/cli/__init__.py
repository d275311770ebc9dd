"""The command line: each process and each act of an administrator is a command of `daystar`."""
