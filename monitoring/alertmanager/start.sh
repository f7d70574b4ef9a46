#!/bin/sh
# Starts Alertmanager with the receivers the environment asks for: TELEGRAM_TOKEN with TELEGRAM_CHAT_ID,
# and ALERT_WEBHOOK_URL. Secrets go into files of this container that only its user can read, not into arguments.
set -eu
umask 077
here=$(dirname "$0")
state=${ALERTMANAGER_STATE:-/tmp}
config=$state/alertmanager.yml
cp "$here/alertmanager.yml" "$config"

if [ -n "${TELEGRAM_TOKEN:-}" ]; then
    printf %s "$TELEGRAM_TOKEN" > "$state/telegram_token"
    cat >> "$config" << END
    telegram_configs:
      - api_url: ${TELEGRAM_API_URL:-https://api.telegram.org}
        bot_token_file: $state/telegram_token
        chat_id: ${TELEGRAM_CHAT_ID:?is needed beside TELEGRAM_TOKEN}
        send_resolved: true
END
fi
if [ -n "${ALERT_WEBHOOK_URL:-}" ]; then
    printf %s "$ALERT_WEBHOOK_URL" > "$state/webhook_url"
    cat >> "$config" << END
    webhook_configs:
      - url_file: $state/webhook_url
        send_resolved: true
END
fi
unset TELEGRAM_TOKEN ALERT_WEBHOOK_URL
exec alertmanager --config.file="$config" "$@"
