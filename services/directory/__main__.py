"""Run the directory: ``python -m services.directory``; ``--help`` lists its other commands."""

from services.directory.app import build
from services.directory.settings import DirectorySettings
from shared.commands import program

if __name__ == "__main__":
    program("directory", DirectorySettings, build)()
