"""All settings, read once from the environment (prefix ``CATALOG_``).

``python -m catalog.settings_page`` generates ``docs/settings.md`` from this module.
"""

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Everything that can be set from outside; defaults suit one machine."""

    model_config = SettingsConfigDict(env_prefix="CATALOG_", frozen=True)

    mongo_uri: SecretStr | None = Field(
        default=None,
        description="MongoDB to use (a replica set; change streams need one). "
        "Unset: `catalog up` starts the bundled server.",
    )
    mongo_db: str = Field(
        default="catalog", description="Database with the `jobs` records."
    )
    typesense_url: str | None = Field(
        default=None,
        description="Typesense to use, such as `http://127.0.0.1:8108`. "
        "Unset: `catalog up` starts the bundled server.",
    )
    typesense_api_key: SecretStr | None = Field(
        default=None, description="Admin key of that Typesense."
    )
    index_prefix: str = Field(
        default="",
        pattern=r"^[a-z0-9_]*$",
        description="Put before the names of all search indexes and aliases, so that "
        "several catalogs can share one Typesense.",
    )
    storage: str | None = Field(
        default=None,
        description="Where the bytes are: `s3://bucket` or `file:///directory`. "
        "Unset: `catalog up` uses a directory under the data directory.",
    )
    storage_buckets: tuple[str, ...] = Field(
        default=("content-generation-assets",),
        description="Further bucket names that mean our store in the URLs of job "
        'records (JSON list), such as `["old-name"]`. The seed\'s name by default.',
    )
    s3_endpoint_url: str | None = Field(
        default=None, description="S3 endpoint other than AWS."
    )
    s3_region: str = Field(default="us-east-1", description="Region of the bucket.")
    s3_events_queue_url: str | None = Field(
        default=None,
        description="SQS queue that the bucket's notifications arrive in (direct, "
        "through SNS, or EventBridge). Unset: changes in the bucket that no job record "
        "tells of are found by listing.",
    )
    sqs_endpoint_url: str | None = Field(
        default=None, description="SQS endpoint other than AWS."
    )
    auth: Literal["open", "token"] = Field(
        default="open",
        description="`open`: the caller is `userId`, the API binds to loopback only. "
        "`token`: the caller is whom a bearer token belongs to (docs/access.md).",
    )
    allow_remote: bool = Field(
        default=False,
        description="Let an `open` API bind to another address than loopback.",
    )
    host: str = Field(default="127.0.0.1", description="Address the API listens on.")
    port: int = Field(
        default=5000, ge=0, le=65535, description="Port of the API (the seed's 5000)."
    )
    admin_token: SecretStr | None = Field(
        default=None,
        description="Bearer token of the admin. `catalog up` makes one.",
    )
    jwt_issuer: str | None = Field(
        default=None,
        min_length=1,
        description="Who signs the JSON web tokens that are taken (`iss`). Unset: none "
        "are. With it CATALOG_JWT_AUDIENCE and one of the two keys must be set.",
    )
    jwt_audience: str | None = Field(
        default=None,
        min_length=1,
        description="What those tokens must be meant for (one of `aud`).",
    )
    jwt_jwks_url: str | None = Field(
        default=None,
        pattern=r"^https?://",
        description="Where the issuer's public keys are (a JSON Web Key Set), renewed "
        "every ten minutes.",
    )
    jwt_key: SecretStr | None = Field(
        default=None,
        description="Instead of that address: the issuer's public key or certificate "
        "(PEM), or a secret shared with it (32 bytes or more, for HS256 to HS512).",
    )
    jwt_leeway_seconds: int = Field(
        default=60,
        ge=0,
        le=300,
        description="By how much the issuer's clock may differ, in seconds.",
    )
    jwt_user_claim: str = Field(
        default="sub", min_length=1, description="Claim with the user's id."
    )
    jwt_groups_claim: str = Field(
        default="groups",
        min_length=1,
        description="Claim with the list of the user's groups.",
    )
    requests_per_minute: int | None = Field(
        default=None,
        ge=0,
        le=1_000_000,
        description="Calls of `/api/…` that one caller may make in a minute, at each "
        "process of the API; more are refused (429). 0: any number. Unset: 6000 with "
        "CATALOG_AUTH=token (the admin's token: any number), else any number.",
    )
    requests_at_once: int = Field(
        default=600,
        ge=1,
        le=1_000_000,
        description="How many of these may come at once, after a pause.",
    )
    body_bytes: int = Field(
        default=1024**2,
        ge=1024,
        le=64 * 1024**2,
        description="Largest body of a call, in bytes; a larger one is refused (413).",
    )
    audit_days: int = Field(
        default=365,
        ge=0,
        le=36_500,
        description="How long the audit log remembers who changed what, in days; 0 "
        "keeps no log.",
    )
    link_secret: SecretStr | None = Field(
        default=None,
        description="Key of the HMAC in file links. `catalog up` makes one; without "
        "it links are signed with a key that lives as long as the process.",
    )
    link_seconds: int = Field(
        default=3600,
        ge=60,
        le=604800,
        description="How long links in lists and hits work, in seconds.",
    )
    public_url: str | None = Field(
        default=None,
        description="Address of the API as callers see it; unset: as they called it.",
    )
    cdn_url: str | None = Field(
        default=None, description="Reserved for the address of a CDN before storage."
    )
    storage_prices: dict[str, float] = Field(
        default={
            "STANDARD": 0.023,
            "STANDARD_IA": 0.0125,
            "GLACIER_IR": 0.004,
        },
        description="What storage costs by storage class, in dollars for 2^30 bytes "
        "(a GB as S3 bills it) and month (JSON object).",
    )
    storage_class: str = Field(
        default="STANDARD",
        description="Storage class that the bytes of assets lie in, for their cost.",
    )
    usage_logs: tuple[str, ...] = Field(
        default=(),
        description="Where access logs of S3 (server access logs) and CloudFront "
        "(standard logs) lie, for counting downloads (JSON list), such as "
        '`["s3://my-logs/s3/"]`; `file:///directory` works, too.',
    )
    usage_logs_seconds: int = Field(
        default=900,
        ge=10,
        description="How often access logs are looked for, in seconds.",
    )
    rollup_seconds: int = Field(
        default=3600,
        ge=60,
        description="How often every owner's assets are added up for `/api/usage`, in "
        "seconds. MongoDB reads all of `assets` for it.",
    )
    search_log: bool = Field(
        default=True,
        description="Whether searches and clicks are logged for search analytics; each "
        "user can say no for himself.",
    )
    search_log_days: int = Field(
        default=90,
        ge=1,
        le=3650,
        description="How long a logged search or click is kept, in days.",
    )
    data_dir: Path = Field(
        default=Path(".catalog"), description="Data directory of `catalog up`."
    )
    jobs_per_user: int = Field(
        default=1000,
        ge=1,
        description="How many submitted jobs of one user may wait or run at a time; "
        "one more is refused (429).",
    )
    rescan_seconds: int = Field(
        default=300,
        ge=1,
        description="How often the whole store is listed and compared, in seconds.",
    )
    reconcile_seconds: int = Field(
        default=3600,
        ge=60,
        description="How often record, read model and index are compared, in seconds. "
        "It takes a quarter of one core's time at most.",
    )
    reindex_seconds: int = Field(
        default=0,
        ge=0,
        description="How often the index is built anew by itself, in seconds; 0 for "
        "never, since reconciling makes it unnecessary.",
    )
    rollback_seconds: int = Field(
        default=3600,
        ge=0,
        description="How long the generation that served before is kept in step, so "
        "that `catalog rollback` can go back to it, in seconds. It needs its memory "
        "in Typesense for that long; 0 drops it at once.",
    )
    lease_seconds: int = Field(
        default=10,
        ge=3,
        le=300,
        description="How long the leading indexer's lease lasts without being "
        "renewed, in seconds: a hot standby takes over after that time at most.",
    )
    linger_ms: int = Field(
        default=10,
        ge=0,
        le=50,
        description="How long the indexer collects changes before it applies them, in "
        "milliseconds (50 at most: batches are capped by time).",
    )
    search_timeout_ms: int = Field(
        default=3000,
        ge=50,
        description="How long the API waits for Typesense before it degrades.",
    )
    search_cutoff_ms: int = Field(
        default=500,
        ge=5,
        description="Time after which Typesense answers with what it has (partial).",
    )
    objects_at_once: int = Field(
        default=2,
        ge=0,
        le=64,
        description="How many files of the store a worker reads at a time, to make "
        "thumbnails, waveforms and posters of them and to keep what they say of "
        "themselves; each takes a process with up to 512 MB. 0 leaves them to other "
        "workers.",
    )
    source_bytes: int = Field(
        default=5 * 1024**3,
        ge=1,
        description="Largest recording or model file that a worker fetches, for a job "
        "or to make a poster or waveform of it, in bytes.",
    )
    fal_key: SecretStr | None = Field(
        default=None,
        description="Key of fal.ai (`id:secret`), for images and LoRA training.",
    )
    fal_url: str = Field(
        default="https://queue.fal.run",
        pattern=r"^https?://",
        description="Queue API of fal.ai. The key is sent to this host only.",
    )
    fal_jwks_url: str = Field(
        default="https://rest.fal.ai/.well-known/jwks.json",
        pattern=r"^https?://",
        description="Public keys that fal.ai signs its webhooks with.",
    )
    fal_models: dict[str, str] = Field(
        default={},
        description="Names of models and the endpoints of fal.ai that they stand for "
        '(JSON object), beside those built in: `{"flux-pro": '
        '"fal-ai/flux-pro/v1.1"}`.',
    )
    local_image_model: Path | None = Field(
        default=None,
        description="Directory of a Stable Diffusion model, as diffusers keeps one "
        "(`model_index.json`, weights in safetensors), with which workers on this "
        "machine make images and train LoRAs where no key of a provider is set. Needs "
        "the extra `local-models`.",
    )
    assemblyai_key: SecretStr | None = Field(
        default=None, description="Key of AssemblyAI, for transcription."
    )
    assemblyai_url: str = Field(
        default="https://api.assemblyai.com",
        pattern=r"^https?://",
        description="API of AssemblyAI, such as its European one. The key is sent to "
        "this host only.",
    )
    assemblyai_models: tuple[str, ...] = Field(
        default=("universal-3-5-pro", "universal-2"),
        description="Speech models of AssemblyAI, by priority (JSON list), for jobs "
        "that name none.",
    )
    submission_unknown_seconds: int = Field(
        default=600,
        ge=0,
        description="How long a job whose submit to a provider was cut off waits to "
        "hear of it before it fails as `submission_unknown`, in seconds.",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="Least level that is logged."
    )
    log_format: Literal["auto", "json", "text"] = Field(
        default="auto",
        description="`json`: one object a line; `text`; `auto`: text on a terminal.",
    )
