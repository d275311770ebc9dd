"""A stand-in for Safaricom: speaks Daraja's STK push over real HTTP, and moves pretended money."""
