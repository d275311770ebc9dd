"""The accounting API: the older system's contract, answered from read models."""
