"""Telling webhook endpoints of public events: a delivery for each, sent until it arrives."""
