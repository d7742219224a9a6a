"""Settings of reporting."""

from pydantic_settings import SettingsConfigDict

from shared.settings import Settings


class ReportingSettings(Settings):
    """All of them are common ones."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_prefix="REPORTING_")
