"""What operators see of a running service: health, metrics, and a status page that steers it."""
