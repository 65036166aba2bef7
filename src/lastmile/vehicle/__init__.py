"""The robot's description, motions that end in a stop, and the certificate of each."""
