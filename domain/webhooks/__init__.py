"""Webhook endpoints: who is told of what, where, and under which secret."""
