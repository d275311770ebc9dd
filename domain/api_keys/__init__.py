"""API keys: how systems show who they are. The key itself is never kept, only its SHA-256."""
