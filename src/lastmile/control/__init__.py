"""The command gate, the only publisher of motion."""
