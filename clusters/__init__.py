"""The only room that speaks Kubernetes: connections, gateway, watching."""
