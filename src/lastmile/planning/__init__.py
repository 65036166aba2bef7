"""Routes, references, model predictive control and collision checks."""
