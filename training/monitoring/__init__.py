"""Monitoring after promotion: what has moved, what came true, what is expected, and when to ring."""
