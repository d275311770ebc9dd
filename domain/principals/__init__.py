"""Principals: the persons and systems that act, with their roles and approval band."""
