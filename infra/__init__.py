"""Other people's machines: PostgreSQL, Safaricom, the clock, the environment."""
