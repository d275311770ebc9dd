"""Working with Safaricom: taking in what it tells, and sending what we ask."""
