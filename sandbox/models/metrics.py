"""vLLM's and KAITO's Prometheus metrics of one served model; each number is counted, none is made up.

Names: https://docs.vllm.ai/en/stable/design/metrics/ and
https://github.com/kaito-project/kaito/blob/v0.12.0/presets/workspace/inference/vllm/
"""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_FIRST_TOKEN_S = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5)
_LATENCY_S = (0.3, 0.5, 0.8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60)
_LABELS = ("model_name", "engine")


class Metrics:
    def __init__(self, model_name: str) -> None:
        self._registry = CollectorRegistry()
        self._labels = {"model_name": model_name, "engine": "0"}
        self.running = self._gauge("running", "Number of requests in model execution batches.")
        self.waiting = self._gauge("waiting", "Number of requests waiting to be processed.")
        self.prompt_tokens = self._counter("prompt_tokens", "Number of prefill tokens processed.")
        self.generation_tokens = self._counter(
            "generation_tokens", "Number of generation tokens processed."
        )
        self.first_token_s = self._histogram(
            "time_to_first_token_seconds", "Time to first token in seconds.", _FIRST_TOKEN_S
        )
        self._latency_s = self._histogram(
            "e2e_request_latency_seconds", "End to end request latency in seconds.", _LATENCY_S
        )
        self._finished = Counter(
            "vllm:request_success",
            "Count of successfully processed requests.",
            (*_LABELS, "finished_reason"),
            registry=self._registry,
        )
        self.rejected = Counter(
            "kaito_ratelimit_rejected",
            "Requests rejected with HTTP 429 by the KAITO queue-depth rate limit guard",
            registry=self._registry,
        )

    def finished(self, reason: str, seconds: float) -> None:
        self._finished.labels(**self._labels, finished_reason=reason).inc()
        self._latency_s.observe(seconds)

    def waiting_now(self) -> int:
        """Read back as KAITO's rate limiter reads it: from the registry."""
        value = self._registry.get_sample_value("vllm:num_requests_waiting", self._labels)
        return int(value or 0)

    def text(self) -> bytes:
        return generate_latest(self._registry)

    def _gauge(self, name: str, help_text: str) -> Gauge:
        gauge = Gauge(f"vllm:num_requests_{name}", help_text, _LABELS, registry=self._registry)
        return gauge.labels(**self._labels)

    def _counter(self, name: str, help_text: str) -> Counter:
        counter = Counter(f"vllm:{name}", help_text, _LABELS, registry=self._registry)
        return counter.labels(**self._labels)

    def _histogram(self, name: str, help_text: str, buckets: tuple[float, ...]) -> Histogram:
        histogram = Histogram(
            f"vllm:{name}", help_text, _LABELS, registry=self._registry, buckets=buckets
        )
        return histogram.labels(**self._labels)
