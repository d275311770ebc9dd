"""M-Pesa: the client of Safaricom's Daraja API, its callbacks, and a simulator of it."""
