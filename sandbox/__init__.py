"""A pretend AKS cluster in one process: Kubernetes API, KAITO's behaviour, a real small model.

For a first look, for demonstrations and for tests. It imports nothing of the product, and the
product never imports it: it connects to it by a kubeconfig, as to any cluster. What it answers is
meant to be what a real API server would answer, so a difference is a fault of the sandbox.
"""
