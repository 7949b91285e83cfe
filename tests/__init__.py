"""The tests: of units, of what works together on real servers, and in a real browser."""
