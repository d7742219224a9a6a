"""The rules of inspection."""
