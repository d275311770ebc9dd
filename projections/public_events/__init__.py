"""What others are told of our events: public types, versioned, translated from private topics."""
