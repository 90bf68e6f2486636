"""How well a biased choice of who is inspected can be repaired, where everybody's true outcome is known."""
