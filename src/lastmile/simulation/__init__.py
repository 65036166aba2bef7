"""The embedded world, its sensors and people, and the lockstep runner."""
