"""What people ask and models think: templates, and pools of words to fill them.

Templates are filled by `template % dice`. There are some thousands of prompts and more thoughts,
so that a search for a word finds a few of many.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

POOLS: Final[Mapping[str, tuple[str, ...]]] = {
    "area": (
        "billing", "checkout", "search", "sign-in", "exports", "notifications", "the scheduler",
        "the audit log", "webhooks", "the image resizer", "the mobile API", "rate limiting",
        "the feature flags", "the invoice mailer", "onboarding", "the report builder",
    ),
    "file": (
        "internal/billing/invoice.go", "internal/auth/session.go", "cmd/worker/main.go",
        "src/checkout/cart.ts", "src/search/indexer.rs", "app/models/order.py",
        "app/tasks/reminders.py", "web/components/DatePicker.tsx", "web/hooks/useOrders.ts",
        "deploy/helm/values.yaml", "migrations/0042_add_refunds.sql", "lib/retry.ex",
        "tests/test_exports.py", "scripts/backfill.sh", "docs/runbook.md", "Dockerfile",
        "internal/queue/lease.go", "src/pricing/rounding.ts", "app/api/webhooks.py",
    ),
    "name": (
        "parseInvoice", "RefreshToken", "computeTotals", "lease_job", "OrderRepository",
        "useDebounce", "split_batches", "RateLimiter", "render_summary", "normalizeEmail",
        "mergeIntervals", "FeatureGate", "retry_with_jitter", "toMinorUnits", "ExportWriter",
    ),
    "symptom": (
        "fails with a deadlock", "returns 500 for empty carts", "is slow on Mondays",
        "drops the last page", "rounds to the wrong cent", "leaks file handles",
        "logs people out at random", "sends the mail twice", "ignores the time zone",
        "times out behind the proxy", "shows a stale price", "breaks on names with accents",
        "retries for ever", "loses the filter when going back", "flickers while loading",
    ),
    "library": (
        "pgx", "SQLAlchemy", "zod", "tokio", "React Query", "Celery", "Playwright", "gRPC",
        "OpenTelemetry", "Terraform", "pydantic", "Vitest", "Kafka", "Redis streams",
    ),
    "aim": (
        "without a change of the public API", "and keep the diff small", "with a test first",
        "behind a feature flag", "and say what you were unsure about", "in one transaction",
        "so that it can be rolled back", "and update the runbook", "without new dependencies",
        "and measure it before and after",
    ),
    "check": (
        "go test ./...", "pytest -q", "cargo test --lib", "npm run typecheck", "make lint",
        "mix test", "terraform plan", "golangci-lint run", "npx playwright test checkout",
    ),
    "word": (
        "invoice_total", "deadline exceeded", "TODO", "legacy_id", "retry_count", "is_trial",
        "ErrNoRows", "useEffect", "lock_timeout", "currency", "utf8", "beforeEach",
    ),
    "host": ("staging", "eu-west", "canary", "preview-7", "load-test", "us-east"),
    "digit": tuple("0123456789"),
    "ticket": tuple(f"{team}-{number}" for team in ("PAY", "CORE", "WEB", "OPS")
                    for number in range(211, 4200, 7)),
    "line": tuple(str(number) for number in range(12, 980, 13)),
}  # fmt: skip

PROMPTS: Final[Mapping[str, tuple[str, ...]]] = {
    "en": (
        "%(ticket)s: %(area)s %(symptom)s. Find out why and fix it %(aim)s.",
        "Rewrite %(name)s in %(file)s %(aim)s.",
        "Why does %(name)s use %(library)s here? Could we do without?",
        "Add a test for %(area)s: it %(symptom)s since %(ticket)s.",
        "Move %(area)s from our own code to %(library)s %(aim)s.",
        "review the diff in %(file)s please, mostly error handling",
        "%(check)s is red on %(host)s but green for me. What differs?",
        "Explain %(file)s to somebody who starts on Monday.",
        "The page of %(area)s %(symptom)s 🙃 can you reproduce it?",
        "continue",
        "Yes, go on, but %(aim)s.",
        "Write the release note for %(ticket)s. Two sentences, no jargon.",
        "Split %(file)s around line %(line)s; %(name)s should live on its own.",
        "Look for every use of `%(word)s` and tell me which are still needed.",
        (
            "Plan first, no code: how would you make %(area)s work with %(library)s?\n\n"
            "Things to mind:\n- it %(symptom)s\n- %(ticket)s is still open\n"
        ),
        "That broke %(check)s. Undo the last change and try again %(aim)s.",
        "Draft a migration that removes %(word)s from %(area)s in two releases.",
        "🚀 ship %(ticket)s to %(host)s, then watch the error rate for ten minutes",
    ),
    "zh": (
        "请看一下 %(file)s, %(name)s 在空列表时会出错。",
        "为 %(ticket)s 写一个单元测试, 不要改动公共接口。",
        "解释一下为什么这里要用 %(library)s。",
    ),
    "ja": (
        "%(file)s の %(name)s を読みやすく書き直してください。",
        "%(ticket)s の原因を調べて、修正案を三つ出してください。",
        "%(library)s を使わずに実装できますか?",
    ),
    "ar": (
        "راجع الملف %(file)s واشرح سبب فشل %(name)s.",
        "اكتب اختبارًا للمهمة %(ticket)s دون تغيير الواجهة العامة.",
    ),
    "he": (
        "למה %(name)s נכשל בקובץ %(file)s? תקן בבקשה.",
        "כתוב בדיקה עבור %(ticket)s בלי תלות חדשה.",
    ),
    "fr": (
        "Peux-tu expliquer pourquoi %(name)s échoue dans %(file)s ?",
        "Écris un test pour %(ticket)s, sans nouvelle dépendance.",
    ),
    "de": (
        "Warum schlägt %(name)s in %(file)s fehl? Bitte erst messen, dann ändern.",
        "Räum %(file)s auf, das Verhalten muss gleich bleiben.",
    ),
}

THOUGHTS: Final = (
    "The report says that %(area)s %(symptom)s. I should read %(file)s before I guess.",
    "%(name)s is called from two places; only the one near line %(line)s passes an empty list.",
    "Two ways: change %(name)s, or guard the caller. The guard is smaller, so %(ticket)s first.",
    "The test is right and the code is wrong: `%(word)s` is compared before it is normalised.",
    "They asked for no new dependency, so %(library)s is out. What is there already will do.",
    "Before editing, run %(check)s once, so that I know which failures are old.",
    "This looks like a race: the lease ends while the worker still holds `%(word)s`.",
    "I have what I need. Next: the change in %(file)s, then the test, then the note.",
    "The number does not add up. Rounding happens twice, once in %(name)s and once on the way out.",
    "Nothing in %(host)s differs but the time zone. That would explain why it %(symptom)s.",
)

COMMENTARY: Final = (
    "I'll look at %(file)s first.",
    "Found it: %(name)s. Now the fix %(aim)s.",
    "%(check)s passes. One more place uses `%(word)s`.",
    "Searching for `%(word)s` to be sure that nothing else depends on it.",
)

TOOL_ERRORS: Final = (
    "404 workspace not found or you do not have access to it",
    "context deadline exceeded after 30s",
    "403 the template %(ticket)s may be changed by its owner only",
    "tool call refused: argument `%(word)s` is not allowed",
)
