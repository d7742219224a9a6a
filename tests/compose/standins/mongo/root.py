"""Make the first user, as the public image does on an empty folder."""

import os
from pathlib import Path

from pymongo import MongoClient

client: MongoClient = MongoClient("mongodb://127.0.0.1:27017", serverSelectionTimeoutMS=30_000)
password = Path(os.environ["MONGO_INITDB_ROOT_PASSWORD_FILE"]).read_text().strip()
user = os.environ["MONGO_INITDB_ROOT_USERNAME"]
client["admin"].command("createUser", user, pwd=password, roles=[{"role": "root", "db": "admin"}])
