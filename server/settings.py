"""Every setting, once: its name, type, default and meaning."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

import platformdirs
from pydantic import (
    AfterValidator,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from db.url import for_asyncpg, without_password
from server.setting_types import LimitsStorage, Networks, Origins, UpstreamUrl

# Read by the tests alone.
_FOR_TESTS = {
    "AIBRIDGE_TEST_DATABASE_URL",
    "AIBRIDGE_TEST_DATABASE_SHAPE",
    "AIBRIDGE_TEST_OPERATIONS",
    "AIBRIDGE_SHARED",
}


_DAY_SECONDS = 86_400


class SettingsError(Exception):
    """A setting is wrong; the message is one sentence that names it."""


def _database_url(value: SecretStr) -> SecretStr:
    for_asyncpg(value.get_secret_value())
    return value


DatabaseUrl = Annotated[SecretStr, AfterValidator(_database_url)]


def _default_data_dir() -> Path:
    return platformdirs.user_data_path("aibridge")


class Settings(BaseSettings):
    """The settings of one process, read from `AIBRIDGE_…` variables; frozen once read."""

    model_config = SettingsConfigDict(
        env_prefix="AIBRIDGE_", env_ignore_empty=True, frozen=True, extra="ignore"
    )

    # Database
    database_url: DatabaseUrl | None = Field(
        None, description="PostgreSQL to use, postgresql://…; without one the embedded PostgreSQL."
    )
    read_database_url: DatabaseUrl | None = Field(
        None,
        description="A replica of it that requests read, sign-in included; writes and migrations "
        "stay.",
    )
    attach: bool = Field(
        False,
        description="The database is another program's, Coder's above all: it is only read.",
    )
    data_dir: Path = Field(
        default_factory=_default_data_dir,
        description="Folder of the embedded PostgreSQL; default: the platform's user data folder.",
    )
    auto_migrate: bool | None = Field(
        None,
        description="Migrate the database at start; default: only the embedded one.",
    )
    pool_size: int = Field(10, ge=1, le=1000, description="Database connections of one process.")
    pool_timeout: float = Field(
        5.0,
        gt=0,
        le=_DAY_SECONDS,
        description="Seconds that a request waits for a database connection.",
    )
    statement_cache_size: int = Field(
        256,
        ge=0,
        description="Prepared statements kept by a connection, each of which takes PostgreSQL up "
        "to 0.4 MB; 0 behind a transaction pooler.",
    )
    retention: int | None = Field(
        None,
        ge=0,
        le=36_500,
        description="Days that interceptions are kept, 0: for ever; default: 60, and what was "
        "imported for ever.",
    )

    # Server
    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    workers: int = Field(1, ge=1, le=256, description="Processes that serve.")
    shutdown_grace: int = Field(
        10,
        ge=0,
        le=_DAY_SECONDS,
        description="Seconds that running requests may take to finish at a stop.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="The least important level that is logged."
    )
    log_format: Literal["auto", "console", "json"] = Field(
        "auto", description="`auto`: lines for people on a terminal, else JSON."
    )

    # Access
    enabled: bool = Field(True, description="Off: REST, the passthrough and `/graphql` answer 403.")
    member_access: Literal["none", "own"] = Field(
        "none",
        description="What a user without the role owner or auditor may read: nothing, or own rows.",
    )

    # GraphQL
    executor: Literal["compiled", "reference"] = Field(
        "compiled",
        description="Who executes operations: our engine, or graphql-core, which is slower.",
    )
    max_page_size: int = Field(
        1000, ge=1, le=10_000, description="The largest `first` or `last` of a connection."
    )
    operation_timeout: float = Field(
        30.0,
        gt=0,
        le=_DAY_SECONDS,
        description="Seconds that one GraphQL operation or REST request may take.",
    )
    max_body_bytes: int = Field(
        1024 * 1024, ge=1024, description="The largest body of a GraphQL request."
    )
    max_document_bytes: int = Field(
        256 * 1024, ge=1024, description="The longest GraphQL document, in bytes."
    )
    max_tokens: int = Field(5_000, ge=1, description="The most tokens of a GraphQL document.")
    max_comparisons: int = Field(
        10_000, ge=1, description="The most comparisons between fields of one name in a document."
    )
    max_variable_values: int = Field(
        5_000, ge=1, description="The most values in the variables, elements of lists included."
    )
    max_depth: int = Field(15, ge=1, description="The most levels of fields of an operation.")
    max_aliases: int = Field(100, ge=0, description="The most aliases of an operation.")
    max_root_fields: int = Field(30, ge=1, description="The most root fields of an operation.")
    max_directives: int = Field(50, ge=0, description="The most directives of an operation.")
    max_cost: int = Field(
        500_000, ge=1, description="The highest cost of an operation: what it might return."
    )
    introspection: bool = Field(
        True, description="Whether those who may read may also ask for the schema."
    )
    http_profile: Literal["audit", "draft"] = Field(
        "audit",
        description="Statuses of GraphQL over HTTP: `audit` 200 and 400, `draft` also 422 and 294.",
    )
    trusted_documents: Path | None = Field(
        None,
        description="Manifest of trusted documents, as graphql-codegen, Relay or Apollo write it.",
    )
    only_trusted: bool = Field(False, description="Refuse every document that is not trusted.")
    cors_origins: Origins = Field(
        "", description="Origins of pages that may call the server, separated by commas."
    )

    # Passthrough
    upstream_url: UpstreamUrl | None = Field(
        None,
        description="The bridge that the passthrough relays to, http://…; without one it is off.",
    )
    upstream_timeout: float = Field(
        600.0,
        gt=0,
        le=_DAY_SECONDS,
        description="Seconds that the upstream may take until its response begins.",
    )
    allow_byok: bool = Field(
        True, description="Off: requests that bring their own provider key are refused."
    )
    max_concurrency: int = Field(
        0, ge=0, description="Passthrough requests at once in one process; 0: no limit."
    )
    rate_limit: int = Field(
        0, ge=0, description="Passthrough requests per second of one caller; 0: no limit."
    )
    limits_storage: LimitsStorage = Field(
        SecretStr("memory://"),
        description="Where the rate limit counts: memory://, or redis://… shared by all replicas.",
    )
    trusted_proxies: Networks = Field(
        (),
        description="Addresses or networks whose X-Forwarded-For the rate limit believes.",
    )

    # Observation
    metrics: bool = Field(False, description="On: Prometheus metrics at /metrics.")

    @field_validator("read_database_url")
    @classmethod
    def _is_of_another(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if value is not None and info.data.get("database_url") is None:
            raise ValueError("names a replica, so AIBRIDGE_DATABASE_URL must name its primary")
        return value

    @field_validator("attach")
    @classmethod
    def _is_given(cls, value: bool, info: ValidationInfo) -> bool:
        if value and info.data.get("database_url") is None:
            raise ValueError("needs AIBRIDGE_DATABASE_URL, which says what to attach to")
        return value

    @field_validator("auto_migrate", "retention")
    @classmethod
    def _writes_nothing_attached(cls, value: Any, info: ValidationInfo) -> Any:
        if value and info.data.get("attach"):
            raise ValueError("writes to the database, and AIBRIDGE_ATTACH says only to read it")
        return value

    @field_validator("only_trusted")
    @classmethod
    def _trusts_some(cls, value: bool, info: ValidationInfo) -> bool:
        if value and not info.data.get("trusted_documents"):
            raise ValueError(
                "refuses every document unless AIBRIDGE_TRUSTED_DOCUMENTS names those to trust"
            )
        return value

    @property
    def trusted_origins(self) -> frozenset[str]:
        """The origins of `cors_origins`."""
        return frozenset(
            origin.strip() for origin in self.cors_origins.split(",") if origin.strip()
        )

    def auto_migrate_or(self, *, embedded: bool) -> bool:
        """Say whether to migrate at start: as set, else only the embedded database."""
        return embedded if self.auto_migrate is None else self.auto_migrate


def load_settings(**given: Any) -> Settings:
    """Read the settings from the environment; values given (not None) win over it.

    Raises:
        SettingsError: One setting is wrong; the message is one sentence that names it.
    """
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = "AIBRIDGE_" + "_".join(str(part) for part in first["loc"]).upper()
        reason = first["msg"].removeprefix("Value error, ")
        raise SettingsError(f"{name}: {reason[:1].lower()}{reason[1:]}.") from None


def shown(settings: Settings) -> dict[str, str]:
    """Return the settings as they may be printed, by variable name; secrets are hidden."""
    result = {}
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if name.endswith("database_url") and value is not None:
            value = without_password(value.get_secret_value())
        if isinstance(value, tuple):
            value = ", ".join(str(item) for item in value)
        result[f"AIBRIDGE_{name.upper()}"] = "" if value is None else str(value)
    return result


def unknown_variables(environment: Iterable[str]) -> list[str]:
    """Return the names of `AIBRIDGE_…` variables that are no settings: slips of the pen."""
    known = {f"AIBRIDGE_{name.upper()}" for name in Settings.model_fields} | _FOR_TESTS
    return sorted(
        name for name in environment if name.startswith("AIBRIDGE_") and name not in known
    )
