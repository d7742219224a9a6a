#!/bin/sh
# Installs the stack from this folder; needs Docker with compose, and no network.
# 从本目录离线安装；只需要 Docker 和 compose，不需要网络。
set -eu
cd "$(dirname "$0")"
sha256sum --check --quiet SHA256SUMS
docker load --quiet --input images.tar
while read -r NAME ID; do
  if [ "$(docker image inspect --format '{{.Id}}' "$NAME")" != "$ID" ]; then
    echo "$NAME is not the image of the list / 镜像与清单不符：$NAME" >&2
    exit 1
  fi
done < images.txt
SETUP=$(cut -d' ' -f1 images.txt | grep '^zeren/setup:')
mkdir -p deploy/secrets
docker run --rm --network none --user "$(id -u):$(id -g)" --volume "$PWD/deploy/secrets:/secrets" \
  "$SETUP" python -m deploy.stack.secrets --folder /secrets
for PROFILE in $(cat profiles); do set -- "$@" --profile "$PROFILE"; done
COMPOSE=${COMPOSE:-docker compose}
exec $COMPOSE "$@" up --detach --wait --no-build --pull never
