"""The delivery executive, durable and resumable."""
