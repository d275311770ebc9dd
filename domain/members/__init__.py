"""Members: who they are. Their money is in `domain.contributions`."""
