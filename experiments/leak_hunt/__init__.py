"""Leak hunt: attempts to catch a city's training at knowing what it must not know."""
