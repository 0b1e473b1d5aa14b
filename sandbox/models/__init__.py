"""The sandbox's language models: one process that answers as KAITO's inference servers do.

An *engine* makes text (SmolLM2 through llama.cpp, or words echoed for tests); a *dialect* is one
HTTP API of KAITO over it: vLLM's, the older `/chat`, and the transformers runtime. Workspaces are
told apart by the name in the path and share the engine. Knows nothing of Kubernetes.
"""
