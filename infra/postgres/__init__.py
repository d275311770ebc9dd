"""PostgreSQL: connections, migrations, and the server we start where none is given."""
