"""What the service counts. Labels come from fixed lists and release hashes: never a question, a name or a path."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from raftops.answer.answering import Answer

BUCKETS = (0.05, 0.1, 0.25, 0.5, 1, 2, 3, 5, 10, 30)


class Metrics:
    """Counters of one process, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = self._counter("raftops_requests", "Requests by endpoint and status.", "endpoint", "status")
        self.denied = self._counter("raftops_denied", "Requests without a good token, by reason.", "reason")
        self.limited = self._counter("raftops_limited", "Requests refused with 429, by limit.", "limit")
        self.abstained = self._counter("raftops_abstentions", "Questions not answered, by reason.", "reason")
        self.routed = self._counter("raftops_routes", "Decisions of the router.", "route", "fallback")
        self.tokens = self._counter("raftops_tokens", "Tokens read and written.", "kind")
        self.swaps = self._counter("raftops_release_swaps", "Releases taken up or refused.", "outcome")
        self.access = self._counter("raftops_access_changes", "Access files taken up or refused.", "outcome")
        self.latency = Histogram(
            "raftops_request_seconds", "Time to the last byte.", ["endpoint"], buckets=BUCKETS, registry=self.registry
        )
        self.queue = Gauge("raftops_questions_in_queue", "Questions at work and waiting.", registry=self.registry)
        self._release = Gauge(
            "raftops_release",
            "1 for the release that is served, 0 for an earlier one.",
            ["name", "release", "arm"],
            registry=self.registry,
        )

        self._before: tuple[str, str, str] | None = None

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, registry=self.registry)

    def answered(self, answer: Answer) -> None:
        """Count an answer."""
        self.routed.labels(answer.route.name, str(answer.route.fallback).lower()).inc()
        self.tokens.labels("prompt").inc(answer.prompt_tokens)
        self.tokens.labels("completion").inc(answer.completion_tokens)
        if answer.abstained:
            self.abstained.labels(answer.reason).inc()

    def serving(self, name: str, release: str, arm: str) -> None:
        """Say which release is served."""
        if self._before:
            self._release.labels(*self._before).set(0)
        self._before = (name, release, arm)
        self._release.labels(*self._before).set(1)

    def text(self) -> bytes:
        """In Prometheus' format."""
        return generate_latest(self.registry)
