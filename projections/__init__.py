"""All that follows the log in order: read models, and the loop that keeps them."""
