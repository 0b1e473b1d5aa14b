"""People: sign-in, and the one place that says who may do what."""
