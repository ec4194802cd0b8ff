"""News monitor for the US-Japan alliance."""
