"""Contributions: money that members put in, held in one account a member."""
