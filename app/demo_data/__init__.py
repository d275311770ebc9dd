"""An invented co-operative's history, made by the domain itself: as large as one asks for."""
