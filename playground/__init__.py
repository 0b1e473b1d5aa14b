"""Prompting a deployed model."""
