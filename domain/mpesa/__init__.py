"""M-Pesa as the co-operative sees it: pushes it asks for, receipts for money that reached it."""
