"""What all who react to public events share: two feeds, one inbox, dead letters."""
