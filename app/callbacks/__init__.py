"""Where strangers tell us things: checked, stored raw, answered. Decisions come later."""
