"""What webhooks need of machines: their secrets, and what subscribers may ask of us."""
