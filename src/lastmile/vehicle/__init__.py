"""Motion models with Jacobians, and the limits of the vehicle."""
