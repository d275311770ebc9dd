"""Public Daraja libraries, written by others for Safaricom's host, against our simulator."""
