"""Loans: what a member borrowed, on what terms, and what became of it."""
