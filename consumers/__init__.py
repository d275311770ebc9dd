"""All that reacts: to stored callbacks, to due rows, and later to public events."""
