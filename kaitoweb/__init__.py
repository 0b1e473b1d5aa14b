"""The frame: wiring only, no word of the domain."""
