"""The diary: an append-only record of who did what, and its verification. Knows nothing of KAITO."""
