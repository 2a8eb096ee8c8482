"""The data plane, worker side: lanes and the framing of answers."""
