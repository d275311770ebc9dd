"""What the API says of itself: the OpenAPI document, and a page to read it and try it."""
