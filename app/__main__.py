"""`python -m app` is `daystar`."""

from app.cli.main import main

main()
