"""Settings of the directory."""

from pydantic_settings import SettingsConfigDict

from shared.settings import Settings


class DirectorySettings(Settings):
    """All of them are common ones."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_prefix="DIRECTORY_")
