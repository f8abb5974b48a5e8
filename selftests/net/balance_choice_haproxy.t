#!/bin/sh
# The oracle itself: Debian's haproxy chooses what the shared hash header and the builders say.
exec "$O/selftests/net/balance_choice" "$HAPROXY"
