"""Ends of keeping: what may go and why, permits to erase, erasing everywhere, the receipt. Only this room permits."""
