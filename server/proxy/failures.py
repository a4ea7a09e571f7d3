"""Failures of the upstream: each is counted, logged, and where possible answered."""

from __future__ import annotations

import structlog

from server import metrics
from server.proxy.answers import Answer

log = structlog.get_logger(__name__)


def told(answer: Answer, error: BaseException) -> Answer:
    """Note that the upstream did not answer, and return what the client is told."""
    metrics.UPSTREAM_FAILURES.labels(answer.reason).inc()
    log.warning("upstream did not answer", reason=answer.reason, error=_text(error))
    return answer


def broken(error: BaseException) -> None:
    """Note that the upstream broke off in the middle of its answer."""
    metrics.UPSTREAM_FAILURES.labels("broken").inc()
    log.warning("upstream broke off in mid-answer", error=_text(error))


def _text(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"
